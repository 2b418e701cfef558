//! Compares what the views say of the same: `daily_flow` with the movements of `stock`, `low_stock` with its levels,
//! and the last names with its items and locations. Together with the scan of `stock`, this covers all but `orders`.

use shared_events::lane::{EventId, Lane, Position};
use sqlx::{Connection, FromRow, PgConnection};

use crate::integrity::difference::{Difference, Kind};
use crate::projection::ProjectionVersion;

/// The versions that are compared with one of `stock`.
#[derive(Debug, Clone, Copy)]
pub struct Views {
    pub daily_flow: ProjectionVersion,
    pub low_stock: ProjectionVersion,
}

/// Two views that differ in a row. Sums may be beyond 64 bits, and the database has compared them.
#[derive(Debug, FromRow)]
struct Disagreement {
    sku: Option<String>,
    stream: Option<String>,
    member: String,
    expected: Option<String>,
    found: Option<String>,
    /// The last event that the row shows, if there is a row.
    position: Option<i64>,
}

impl Views {
    /// The first difference in one lane, as of one moment; of one sku only, if there is one.
    pub async fn compare(
        self,
        connection: &mut PgConnection,
        stock: ProjectionVersion,
        lane: Lane,
        sku: Option<&str>,
    ) -> sqlx::Result<Option<Difference>> {
        let mut transaction = connection.begin().await?;
        // Of tables that have the same name, those of `stock` are meant.
        let schemas = [stock, self.daily_flow, self.low_stock].map(ProjectionVersion::schema);
        sqlx::query("select set_config('search_path', $1, true)")
            .bind(schemas.join(",") + ",public")
            .execute(&mut *transaction)
            .await?;
        let number = i16::from(lane);
        let with_another = |statement: &'static str, view: ProjectionVersion| {
            sqlx::query_as(statement)
                .bind(number)
                .bind(view.version())
                .bind(stock.version())
                .bind(sku)
        };
        let flow = include_str!("../../queries/verify_flow.sql");
        let low = include_str!("../../queries/verify_low_stock.sql");
        let names = include_str!("../../queries/verify_names.sql");
        for (kind, query) in [
            (Kind::Flow, with_another(flow, self.daily_flow)),
            (Kind::LowStock, with_another(low, self.low_stock)),
            (Kind::Name, sqlx::query_as(names).bind(number).bind(sku)),
        ] {
            let found: Option<Disagreement> = query.fetch_optional(&mut *transaction).await?;
            if let Some(found) = found {
                return Ok(Some(found.difference(kind, lane)));
            }
        }
        transaction.rollback().await?;
        Ok(None)
    }
}

impl Disagreement {
    fn difference(self, what: Kind, lane: Lane) -> Difference {
        const NO_ROW: &str = "no row";
        Difference {
            what,
            sku: self.sku,
            stream: self.stream,
            event: self.position.map(|position| EventId(lane, Position(position))),
            member: Some(self.member),
            expected: self.expected.unwrap_or_else(|| NO_ROW.to_owned()),
            found: self.found.unwrap_or_else(|| NO_ROW.to_owned()),
        }
    }
}
