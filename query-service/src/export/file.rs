//! One Parquet file: the events of a lane from one position to another.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use parquet::basic::{
    Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;

use super::columns::{COLUMNS, Cell, Column, FORMAT, Kind, Source};
use super::name::Span;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::fact::Fact;

/// Rows of one row group, which is in memory until it is complete.
const GROUP_ROWS_MAX: usize = 16_384;

/// Bytes of text in one row group, unless a single event is larger.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Names in the metadata of a file.
const KEY_FORMAT: &str = "stockbook.format";
const KEY_LANE: &str = "stockbook.lane";
const KEY_FIRST: &str = "stockbook.first";
const KEY_LAST: &str = "stockbook.last";
const KEY_BEFORE: &str = "stockbook.chain_before";
const KEY_CHAIN: &str = "stockbook.chain";

/// What the metadata of a file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) lane: Lane,
    pub(super) span: Span,
    /// The chain before its first event.
    pub(super) before: Chain,
    /// The chain after its last event.
    pub(super) chain: Chain,
}

impl Description {
    /// Where the next file begins.
    pub(super) fn end(self) -> Checkpoint {
        Checkpoint { position: self.span.last, chain: self.chain }
    }

    fn to_metadata(self) -> Vec<KeyValue> {
        [
            (KEY_FORMAT, FORMAT.to_owned()),
            (KEY_LANE, self.lane.to_string()),
            (KEY_FIRST, self.span.first.to_string()),
            (KEY_LAST, self.span.last.to_string()),
            (KEY_BEFORE, self.before.to_string()),
            (KEY_CHAIN, self.chain.to_string()),
        ]
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .into()
    }

    /// Reads it, and checks that the file has the columns of today's format.
    pub(super) fn of(file: &ParquetMetaData) -> anyhow::Result<Self> {
        let file = file.file_metadata();
        let format = value(file, KEY_FORMAT)?;
        ensure!(format == FORMAT, "it has format {format}; this binary reads {FORMAT}");
        ensure!(*file.schema() == *schema(), "its columns are not those of format {FORMAT}");
        let number = |key| value(file, key)?.parse::<i64>().context(key);
        let chain = |key| value(file, key)?.parse::<Chain>().context(key);
        Ok(Self {
            lane: Lane(u16::try_from(number(KEY_LANE)?).context(KEY_LANE)?),
            span: Span { first: Position(number(KEY_FIRST)?), last: Position(number(KEY_LAST)?) },
            before: chain(KEY_BEFORE)?,
            chain: chain(KEY_CHAIN)?,
        })
    }
}

fn value<'a>(file: &'a FileMetaData, key: &'static str) -> anyhow::Result<&'a str> {
    let all = file.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let found = all.iter().find(|one| one.key == key).and_then(|one| one.value.as_deref());
    found.with_context(|| format!("its metadata has no {key}: it is no file of an export"))
}

/// The columns as Parquet names them.
fn schema() -> TypePtr {
    let columns = COLUMNS.iter().map(|column| Arc::new(column_type(column))).collect();
    let schema = Type::group_type_builder("event").with_fields(columns).build();
    Arc::new(schema.expect("the columns are well formed"))
}

fn column_type(column: &Column) -> Type {
    let (physical, logical, len) = match column.kind {
        Kind::Text | Kind::Word => (Physical::BYTE_ARRAY, Some(LogicalType::String), -1),
        Kind::Int => (Physical::INT32, None, -1),
        Kind::Long => (Physical::INT64, None, -1),
        Kind::Time => {
            let time = LogicalType::timestamp(true, TimeUnit::MICROS);
            (Physical::INT64, Some(time), -1)
        }
        Kind::Hash => (Physical::FIXED_LEN_BYTE_ARRAY, None, 32),
    };
    let repetition = if column.is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    Type::primitive_type_builder(column.name, physical)
        .with_logical_type(logical)
        .with_length(len)
        .with_repetition(repetition)
        .build()
        .expect("the column is well formed")
}

fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level")))
        .set_created_by(format!("stockbook query-service {}", env!("CARGO_PKG_VERSION")));
    for column in COLUMNS {
        let path = ColumnPath::from(column.name);
        let plain = |properties: parquet::file::properties::WriterPropertiesBuilder, encoding| {
            let properties = properties.set_column_dictionary_enabled(path.clone(), false);
            properties.set_column_encoding(path.clone(), encoding)
        };
        properties = match column.kind {
            Kind::Word | Kind::Int => properties,
            Kind::Long | Kind::Time => plain(properties, Encoding::DELTA_BINARY_PACKED),
            Kind::Text => plain(properties, Encoding::PLAIN)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::None),
            Kind::Hash => plain(properties, Encoding::PLAIN)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
                .set_column_compression(path.clone(), Compression::UNCOMPRESSED),
        };
    }
    properties.build()
}

/// The values of one column in the row group that is being filled.
struct Buffer {
    is_required: bool,
    /// 1 where there is a value, 0 where there is none.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Text(Vec<ByteArray>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Hash(Vec<FixedLenByteArray>),
}

impl Buffer {
    fn of(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Text | Kind::Word => Values::Text(Vec::new()),
            Kind::Int => Values::Int(Vec::new()),
            Kind::Long | Kind::Time => Values::Long(Vec::new()),
            Kind::Hash => Values::Hash(Vec::new()),
        };
        Self { is_required: column.is_required, levels: Vec::new(), values }
    }

    /// Returns the bytes of the text that it keeps.
    fn push(&mut self, cell: Option<Cell<'_>>) -> anyhow::Result<usize> {
        self.levels.push(i16::from(cell.is_some()));
        match (&mut self.values, cell) {
            (_, None) if !self.is_required => Ok(0),
            (Values::Text(texts), Some(Cell::Text(text))) => {
                let bytes = text.len();
                texts.push(ByteArray::from(text.into_owned().into_bytes()));
                Ok(bytes)
            }
            (Values::Int(values), Some(Cell::Int(value))) => {
                values.push(value);
                Ok(0)
            }
            (Values::Long(values), Some(Cell::Long(value) | Cell::Time(value))) => {
                values.push(value);
                Ok(0)
            }
            (Values::Hash(values), Some(Cell::Hash(value))) => {
                values.push(FixedLenByteArray::from(value.to_vec()));
                Ok(0)
            }
            (_, cell) => bail!("{cell:?} does not fit its column"),
        }
    }

    fn write(&mut self, to: &mut ColumnWriter<'_>) -> anyhow::Result<()> {
        let levels = (!self.is_required).then_some(self.levels.as_slice());
        match (&mut self.values, to) {
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(to)) => {
                to.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Int(values), ColumnWriter::Int32ColumnWriter(to)) => {
                to.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Long(values), ColumnWriter::Int64ColumnWriter(to)) => {
                to.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Hash(values), ColumnWriter::FixedLenByteArrayColumnWriter(to)) => {
                to.write_batch(values, levels, None)?;
                values.clear();
            }
            _ => bail!("a column has another type than the schema"),
        }
        self.levels.clear();
        Ok(())
    }
}

/// A file that is complete, and what it says of itself.
pub(super) struct Complete {
    pub(super) description: Description,
    pub(super) bytes: Bytes,
}

/// A file that is being written, in memory.
pub(super) struct EventFile {
    writer: SerializedFileWriter<Vec<u8>>,
    buffers: Vec<Buffer>,
    rows: usize,
    bytes: usize,
    lane: Lane,
    /// The event before the first.
    from: Checkpoint,
    at: Checkpoint,
}

impl EventFile {
    /// An empty file for the events after one.
    pub(super) fn begin(lane: Lane, from: Checkpoint) -> anyhow::Result<Self> {
        let writer = SerializedFileWriter::new(Vec::new(), schema(), Arc::new(properties()))?;
        let buffers = COLUMNS.iter().map(Buffer::of).collect();
        Ok(Self { writer, buffers, rows: 0, bytes: 0, lane, from, at: from })
    }

    /// The last event in it.
    pub(super) fn at(&self) -> Checkpoint {
        self.at
    }

    /// How large it is by now.
    pub(super) fn bytes(&self) -> usize {
        self.writer.bytes_written()
    }

    pub(super) fn push(&mut self, fact: &Fact) -> anyhow::Result<()> {
        let source = Source::new(&fact.recorded, fact.event.as_ref().ok());
        for (buffer, column) in self.buffers.iter_mut().zip(COLUMNS) {
            let pushed = buffer.push((column.of)(&source));
            self.bytes += pushed.with_context(|| format!("column {}", column.name))?;
        }
        self.rows += 1;
        self.at = Checkpoint::after(&fact.recorded);
        if self.rows >= GROUP_ROWS_MAX || self.bytes >= GROUP_BYTES_MAX {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for buffer in &mut self.buffers {
            let mut column = group.next_column()?.context("the schema has fewer columns")?;
            buffer.write(column.untyped())?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<Complete> {
        if self.rows > 0 {
            self.write_group()?;
        }
        let description = Description {
            lane: self.lane,
            span: Span { first: self.from.position.next(), last: self.at.position },
            before: self.from.chain,
            chain: self.at.chain,
        };
        for pair in description.to_metadata() {
            self.writer.append_key_value_metadata(pair);
        }
        Ok(Complete { description, bytes: self.writer.into_inner()?.into() })
    }
}

/// Names the first column in which a row differs from its event.
pub(super) fn differing_column(
    row: &parquet::record::Row,
    event: &RecordedEvent,
) -> Option<&'static str> {
    let decoded = event.event();
    let source = Source::new(event, decoded.as_ref().ok());
    let fields = row.get_column_iter().map(|(_, field)| field);
    let differs = |(column, field): &(&'static Column, &parquet::record::Field)| {
        !is_same((column.of)(&source), field)
    };
    COLUMNS.iter().zip(fields).find(differs).map(|(column, _)| column.name)
}

fn is_same(cell: Option<Cell<'_>>, field: &parquet::record::Field) -> bool {
    use parquet::record::Field;
    match (cell, field) {
        (None, Field::Null) => true,
        (Some(Cell::Text(text)), Field::Str(found)) => text == *found,
        (Some(Cell::Int(value)), Field::Int(found)) => value == *found,
        (Some(Cell::Long(value)), Field::Long(found)) => value == *found,
        (Some(Cell::Time(value)), Field::TimestampMicros(found)) => value == *found,
        (Some(Cell::Hash(value)), Field::Bytes(found)) => value == found.data(),
        (None | Some(_), _) => false,
    }
}
