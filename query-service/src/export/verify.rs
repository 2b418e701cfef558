//! `export --verify`: walks the chain over the files, without the log. Memory holds one file at a time.

use std::io::Write;

use anyhow::{Context, bail, ensure};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::value::RawValue;
use shared_events::chain::{Chain, Hash};
use shared_events::lane::{Lane, Position, Version};
use shared_events::personal::Personal;
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::Redacted;
use shared_events::time::Timestamp;

use super::columns::COLUMNS;
use super::file::{Description, differing_column};
use super::name::Span;
use super::place::Place;
use crate::pipeline::checkpoint::Checkpoint;

/// Checks every file, and prints a line for each lane.
pub(super) async fn verify(place: &Place) -> anyhow::Result<()> {
    let lanes = place.lanes().await?;
    ensure!(!lanes.is_empty(), "{place} has no folder of a lane");
    let (mut events, mut files) = (0, 0);
    for lane in &lanes {
        let spans = place.spans(*lane).await?;
        if let Some(hole) = spans.holes().first() {
            bail!("lane {lane}: positions {} to {} are missing", hole.first, hole.last);
        }
        let mut at = Checkpoint::default();
        for span in spans.iter() {
            let checked = check_file(place, *lane, span, at).await;
            at = checked.with_context(|| format!("{span} of lane {lane}"))?;
            files += 1;
        }
        say(&format!("lane {lane}: {} events, chain {}", at.position, at.chain))?;
        events += at.position.0;
    }
    say(&format!("{events} events of {} lanes in {files} files, no difference", lanes.len()))
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("stdout cannot be written")
}

/// Checks that a file follows from the event before it, and returns its last event.
async fn check_file(
    place: &Place,
    lane: Lane,
    span: Span,
    from: Checkpoint,
) -> anyhow::Result<Checkpoint> {
    let reader = SerializedFileReader::new(place.read(lane, span).await?)?;
    let description = Description::of(reader.metadata())?;
    ensure!(
        (description.lane, description.span) == (lane, span),
        "by its metadata it is {} of lane {}",
        description.span,
        description.lane
    );
    ensure!(description.before == from.chain, "it does not follow from the file before");
    let mut at = from;
    for row in reader.get_row_iter(None)? {
        let row = row?;
        let next = at.position.next();
        let event = event(&row).with_context(|| format!("position {next}"))?;
        ensure!((event.lane, event.position) == (lane, next), "it has {} at {next}", event.id());
        ensure!(event.chain_after(at.chain) == event.chain, "the chain breaks at {}", event.id());
        if let Some(column) = differing_column(&row, &event) {
            bail!("column {column} of {} is not what the event says", event.id());
        }
        at = Checkpoint::after(&event);
    }
    ensure!(at == description.end(), "it ends at {}", at.position);
    Ok(at)
}

/// The event of a row, by the columns that stand for it.
fn event(row: &Row) -> anyhow::Result<RecordedEvent> {
    let cells = Cells(row.get_column_iter().map(|(_, field)| field).collect());
    let subject = cells.text("personal_subject")?.map(str::parse).transpose()?;
    let sealed = cells.text("personal_sealed")?;
    let personal = match (subject, sealed) {
        (Some(subject), Some(sealed)) => Some(Personal { subject, sealed: sealed.into() }.into()),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => bail!("personal data is there in part"),
    };
    Ok(RecordedEvent {
        lane: Lane(u16::try_from(cells.number("lane")?)?),
        position: Position(cells.number("position")?),
        stream: cells.required("stream")?.parse()?,
        version: Version(cells.number("version")?),
        event_type: cells.required("type")?.to_owned(),
        schema_version: i16::try_from(cells.number("schema_version")?)?,
        occurred_at: cells.time("occurred_at")?,
        recorded_at: cells.time("recorded_at")?,
        actor: cells.text("actor")?.map(str::parse).transpose()?,
        caller: cells.text("caller")?.map(str::parse).transpose()?,
        correlation_id: cells.required("correlation_id")?.parse()?,
        causation_id: cells.text("causation_id")?.map(str::parse).transpose()?,
        data: RawValue::from_string(cells.required("data")?.to_owned())?,
        personal,
        redacted: redacted(&cells)?,
        chain: Chain(cells.hash("chain")?.context("chain is missing")?),
        traceparent: None,
    })
}

/// What was removed from the event of a row, if anything was.
fn redacted(cells: &Cells<'_>) -> anyhow::Result<Option<Box<Redacted>>> {
    let Some(members) = cells.text("redacted")? else {
        return Ok(None);
    };
    let members = members.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let data_hash = Hash(cells.hash("data_hash")?.context("data_hash is missing")?);
    let personal_hash = cells.hash("personal_hash")?.map(Hash);
    Ok(Some(Box::new(Redacted { members, data_hash, personal_hash })))
}

/// The values of a row, in the order of the columns.
struct Cells<'a>(Vec<&'a Field>);

impl<'a> Cells<'a> {
    fn get(&self, name: &str) -> anyhow::Result<&'a Field> {
        let index = COLUMNS.iter().position(|column| column.name == name);
        let field = index.and_then(|index| self.0.get(index)).copied();
        field.with_context(|| format!("there is no column {name}"))
    }

    fn text(&self, name: &str) -> anyhow::Result<Option<&'a str>> {
        match self.get(name)? {
            Field::Null => Ok(None),
            Field::Str(text) => Ok(Some(text)),
            other => bail!("{name} is {other}"),
        }
    }

    fn required(&self, name: &str) -> anyhow::Result<&'a str> {
        self.text(name)?.with_context(|| format!("{name} is missing"))
    }

    fn number(&self, name: &str) -> anyhow::Result<i64> {
        match self.get(name)? {
            Field::Int(number) => Ok((*number).into()),
            Field::Long(number) => Ok(*number),
            other => bail!("{name} is {other}"),
        }
    }

    fn time(&self, name: &str) -> anyhow::Result<Timestamp> {
        let Field::TimestampMicros(micros) = self.get(name)? else {
            bail!("{name} is no time");
        };
        let time = chrono::DateTime::from_timestamp_micros(*micros);
        time.map(Timestamp::new).with_context(|| format!("{name} is out of range"))
    }

    fn hash(&self, name: &str) -> anyhow::Result<Option<[u8; 32]>> {
        match self.get(name)? {
            Field::Null => Ok(None),
            Field::Bytes(bytes) => Ok(Some(bytes.data().try_into()?)),
            other => bail!("{name} is {other}"),
        }
    }
}
