//! The figures of many items, all of one moment.

use std::collections::BTreeSet;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use service_edge::body::{self, BODY_BYTES_MAX, Faults, JsonPointer};
use service_edge::problem::Fault;
use service_edge::sign_in::credential::Locations;
use shared_events::lane::{Lane, Position, PositionToken};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::http::Service;
use crate::http::answer::{Figure, untagged};
use crate::http::past::ListPastParameters;
use crate::http::problem::{Code, Problem};
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::subject::{location, sku};
use crate::http::wait::{AsOf, Lookup, read_when_applied};
use crate::projections::stock::routes::levels::figures::{Lanes, Subject, read_figures};

/// The most pairs of one request.
const PAIRS_MAX: usize = 5_000;

/// The figures of all pairs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Availability {
    /// In the order of the request.
    pub items: Vec<Available>,
    /// The position of every lane that the answer reflects.
    #[schema(value_type = String, example = "0:17,1:4")]
    pub position: PositionToken,
    /// The position that `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0:17,1:4")]
    pub known_position: Option<PositionToken>,
}

/// The figures of one pair, or of one sku at all locations; or why there are none.
#[derive(Debug, Serialize)]
pub struct Available {
    /// The item, as in the request.
    pub sku: String,
    /// The location, if the request has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(flatten)]
    pub outcome: FigureOrError,
}

impl ToSchema for Available {}

impl PartialSchema for Available {
    /// One plain object, because not every generator of clients reads alternatives within one.
    fn schema() -> RefOr<Schema> {
        let text =
            |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
        let RefOr::T(Schema::Object(object)) = Figure::schema() else {
            unreachable!("a figure is an object");
        };
        let mut members = ObjectBuilder::from(object)
            .description(Some(
                "Figures of one pair, or of one sku at all locations; or an `error`.",
            ))
            .property("sku", text("The item, as in the request."))
            .property("location", text("The location, if the request has one."))
            .property("error", text("unknown_sku or unknown_location; then there are no figures."))
            .build();
        members.required = vec!["sku".to_owned()];
        members.into()
    }
}

/// Figures, or why there are none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FigureOrError {
    /// The figures.
    Figure(Figure),
    /// Why there are none.
    Unknown {
        /// unknown_sku or unknown_location.
        error: &'static str,
    },
}

/// Which pairs are asked for.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// 1 to 5,000.
    #[schema(min_items = 1, max_items = 5_000)]
    pairs: Vec<AskedPair>,
}

/// One pair, or one sku at all locations.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedPair {
    /// The item.
    sku: String,
    /// The location; left out, all locations.
    location: Option<String>,
}

impl AskedPair {
    /// What is looked up for the pair: itself, or each location of a caller who has only some. Text that
    /// cannot be a name is one that nobody registered.
    fn subjects(&self, locations: &Locations) -> Result<Vec<Subject>, Problem> {
        let location = self.location.as_deref().map(location).transpose();
        let (sku, location) = (sku(&self.sku)?, location?);
        let at = |location| Subject { sku: sku.clone(), location };
        match (location, locations) {
            (None, Locations::Only(own)) => {
                Ok(own.iter().filter_map(|own| own.parse().ok()).map(|own| at(Some(own))).collect())
            }
            (location, _) => Ok(vec![at(location)]),
        }
    }
}

/// The figures of many pairs. A sku without a location stands for all its locations.
#[utoipa::path(
    post, path = "/v1/availability",
    params(ListPastParameters, ReadParameters),
    request_body = Question,
    responses(
        (status = 200, body = Availability),
        (status = 400, description = "malformed_body"),
        (status = 413, description = "body_too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "validation_failed, invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn ask_availability(
    State(service): State<Service>,
    ReadRequest { parameters: past, options }: ReadRequest<ListPastParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = body::receive(&head.headers, body, BODY_BYTES_MAX).await?;
    let Question { pairs } = read(&body)?;
    for text in pairs.iter().filter_map(|pair| pair.location.as_ref()) {
        location(text).iter().try_for_each(|one| options.require(one))?;
    }
    let subjects: Vec<Result<Vec<Subject>, Problem>> =
        pairs.iter().map(|pair| pair.subjects(options.locations())).collect();
    let valid: Vec<Subject> = subjects.iter().flatten().flatten().cloned().collect();
    if valid.len() > PAIRS_MAX {
        let message =
            format!("stands for more than {PAIRS_MAX} pairs; name fewer without a location");
        return Err(Problem::validation_failed(vec![Fault::new("/pairs", message)]));
    }
    let past = past.resolve(&service).await?;
    // The lanes of the items have their figures; those of the locations decide what was registered.
    let (mut item_lanes, mut all_lanes) = (BTreeSet::new(), BTreeSet::new());
    for subject in &valid {
        let lanes = Lanes::of(&service, subject)?;
        item_lanes.insert(lanes.item);
        all_lanes.extend(lanes.all());
    }
    let (item_lanes, all_lanes) = (Vec::from_iter(item_lanes), Vec::from_iter(all_lanes));
    let read = || async {
        let figures = read_figures(&service, &valid, &past).await?;
        let position = figures.iter().flat_map(|one| one.position.iter()).collect();
        Ok(AsOf { position, value: figures })
    };
    let required = past.requires(&options.min_position, &all_lanes);
    let AsOf { position, value } = read_when_applied(&service, &required, read).await?;
    let mut position = past.of_lanes(&item_lanes).unwrap_or(position);
    if position.is_empty() {
        // An empty token has no text; the start of a lane means the same.
        position.reach(Lane(0), Position(0));
    }
    let availability = Availability {
        items: in_order(pairs, subjects, value),
        position: position.clone(),
        known_position: past.known_position(&item_lanes),
    };
    Ok(untagged(&position, &availability))
}

/// The outcome of every pair, in the order of the request.
fn in_order(
    pairs: Vec<AskedPair>,
    subjects: Vec<Result<Vec<Subject>, Problem>>,
    figures: Vec<Lookup<Figure>>,
) -> Vec<Available> {
    let mut figures = figures.into_iter().map(|lookup| lookup.value);
    let available = |(AskedPair { sku, location }, subjects): (_, Result<Vec<_>, Problem>)| {
        let figure =
            subjects.and_then(|subjects| total(figures.by_ref().take(subjects.len()).collect()));
        let outcome = match figure {
            Ok(figure) => FigureOrError::Figure(figure),
            Err(problem) => FigureOrError::Unknown { error: problem.code().kind().code },
        };
        Available { sku, location, outcome }
    };
    pairs.into_iter().zip(subjects).map(available).collect()
}

/// The figure of one subject, or the total of several. A location that is not registered has nothing.
fn total(mut figures: Vec<Result<Figure, Problem>>) -> Result<Figure, Problem> {
    if figures.len() == 1 {
        return figures.remove(0);
    }
    let unknown = figures.iter().find_map(|figure| match figure {
        Err(problem) if problem.code() == Code::UnknownSku => Some(problem.clone()),
        Ok(_) | Err(_) => None,
    });
    let lane = figures.iter().flatten().find_map(|figure| figure.position.iter().next());
    let lane = lane.map_or(Lane(0), |(lane, _)| lane);
    match unknown {
        Some(unknown) => Err(unknown),
        None => Ok(Figure::sum(figures.iter().flatten(), lane)),
    }
}

/// Reads the body by hand, so that all its faults are reported at once.
fn read(body: &[u8]) -> Result<Question, Problem> {
    let mut faults = Faults::default();
    let pairs = pairs(body::tree(body)?, &mut faults);
    let faults = faults.into_vec();
    if faults.is_empty() { Ok(Question { pairs }) } else { Err(Problem::validation_failed(faults)) }
}

fn pairs(json: Value, faults: &mut Faults) -> Vec<AskedPair> {
    let root = JsonPointer::Root;
    let Some(mut members) = object(json, root, faults) else {
        return Vec::new();
    };
    let given = members.remove("pairs");
    refuse_others(&members, root, faults);
    let at = root.member("pairs");
    match given {
        Some(Value::Array(pairs)) if (1..=PAIRS_MAX).contains(&pairs.len()) => {
            let read = |(index, pair)| pair_at(pair, at.item(index), faults);
            pairs.into_iter().enumerate().filter_map(read).collect()
        }
        Some(_) => {
            faults.add(at, format_args!("must be a list of 1 to {PAIRS_MAX} pairs"));
            Vec::new()
        }
        None => {
            faults.add(at, Fault::MISSING);
            Vec::new()
        }
    }
}

fn pair_at(json: Value, at: JsonPointer<'_>, faults: &mut Faults) -> Option<AskedPair> {
    let mut members = object(json, at, faults)?;
    let sku = match members.remove("sku") {
        Some(Value::String(sku)) => Some(sku),
        given => {
            let message = if given.is_some() { "must be text" } else { Fault::MISSING };
            faults.add(at.member("sku"), message);
            None
        }
    };
    let location = match members.remove("location") {
        Some(Value::String(location)) => Some(location),
        None | Some(Value::Null) => None,
        Some(_) => {
            faults.add(at.member("location"), "must be text");
            None
        }
    };
    refuse_others(&members, at, faults);
    sku.map(|sku| AskedPair { sku, location })
}

fn object(json: Value, at: JsonPointer<'_>, faults: &mut Faults) -> Option<Map<String, Value>> {
    match json {
        Value::Object(members) => Some(members),
        _ => {
            faults.add(at, "must be an object");
            None
        }
    }
}

/// Ignoring a member would answer a different question.
fn refuse_others(members: &Map<String, Value>, at: JsonPointer<'_>, faults: &mut Faults) {
    for name in members.keys() {
        faults.add(at.member(name), "is not known here");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Question, Problem> {
        read(text.as_bytes())
    }

    #[test]
    fn pairs_and_skus_are_read_in_order() {
        let text = r#"{"pairs":[{"sku":"A","location":"MAIN"},{"sku":"B"},{"sku":"a b"}]}"#;
        let Question { pairs } = read_text(text).expect("a question");
        let names: Vec<_> =
            pairs.iter().map(|one| (one.sku.as_str(), one.location.is_some())).collect();
        assert_eq!(names, [("A", true), ("B", false), ("a b", false)]);
        let refused = pairs[2].subjects(&Locations::All).expect_err("no sku has spaces");
        assert_eq!(refused.code(), Code::UnknownSku);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let text = r#"{"pairs":[{"sku":1},{"location":"MAIN"},7,{"sku":"A","lo/t":2}],"x":1}"#;
        let problem = read_text(text).expect_err("a refusal");
        assert_eq!(problem.code(), Code::ValidationFailed);
        let document = serde_json::to_value(&problem).expect("a document");
        let faults = document["errors"].as_array().expect("faults");
        let pointers: Vec<_> = faults.iter().map(|fault| &fault["pointer"]).collect();
        assert_eq!(pointers, ["/x", "/pairs/0/sku", "/pairs/1/sku", "/pairs/2", "/pairs/3/lo~1t"]);
    }

    #[test]
    fn the_number_of_reported_faults_is_bounded() {
        let text = format!(r#"{{"pairs":[{}7]}}"#, "7,".repeat(4_999));
        let problem = read_text(&text).expect_err("a refusal");
        let document = serde_json::to_value(&problem).expect("a document");
        assert_eq!(document["errors"].as_array().map(Vec::len), Some(1_000));
    }

    #[test]
    fn a_body_that_is_not_a_question_is_refused() {
        let code = |text| read_text(text).expect_err("a refusal").code();
        assert_eq!(code(""), Code::MalformedBody);
        assert_eq!(code("{"), Code::MalformedBody);
        assert_eq!(code(r#"{"pairs":[{"sku":"A","sku":"B"}]}"#), Code::MalformedBody);
        for bad in ["{}", "[]", r#"{"pairs":[]}"#, r#"{"pairs":{}}"#] {
            assert_eq!(code(bad), Code::ValidationFailed, "{bad}");
        }
    }
}
