//! A balance as a picture. Its colours are names for the style sheet, which knows light and dark.

use chrono::TimeDelta;
use plotters::prelude::*;

use crate::shown::Moment;

const ON_HAND: RGBColor = RGBColor(0x11, 0x11, 0x11);
const AVAILABLE: RGBColor = RGBColor(0x22, 0x22, 0x22);
const MARK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xcc, 0xcc, 0xcc);

/// For a wide and for a narrow window: width, height, size of letters, labels at the side.
const SIZES: [(u32, u32, u32, usize); 2] = [(1_000, 240, 14, 6), (360, 200, 13, 5)];

/// What there was after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: Moment,
    pub(crate) on_hand: i64,
    pub(crate) available: i64,
}

/// The picture twice, for a wide and for a narrow window.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) wide: String,
    pub(crate) narrow: String,
}

/// Draws what there was event by event, with a line at one of them. `None` if that cannot be drawn.
pub(crate) fn balance(points: &[Point], mark: Option<usize>) -> Option<Chart> {
    let [wide, narrow] = SIZES.map(|size| {
        draw(points, mark, size)
            .inspect_err(|error| tracing::error!(%error, "a chart cannot be drawn"))
            .ok()
    });
    Some(Chart { wide: wide?, narrow: narrow? })
}

fn draw(
    points: &[Point],
    mark: Option<usize>,
    (width, height, letters, labels): (u32, u32, u32, usize),
) -> Result<String, String> {
    let values = || points.iter().flat_map(|point| [point.on_hand, point.available]);
    let low = values().min().unwrap_or_default().min(0);
    let high = values().max().unwrap_or_default().max(low + 1);
    let end = i64::try_from(points.len().max(1)).map_err(|error| error.to_string())?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        let room =
            i32::try_from(high.to_string().len().max(3)).map_err(|error| error.to_string())?;
        let mut chart = ChartBuilder::on(&area)
            .margin(6)
            .y_label_area_size(room * 9 + 14)
            .x_label_area_size(letters + 8)
            .build_cartesian_2d(0..end, low..high + (high - low).div_euclid(12).max(1))
            .map_err(|error| error.to_string())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(labels)
            .x_label_style(("sans-serif", letters))
            .x_label_formatter(&|index| time_of(points, *index))
            .y_labels(labels)
            .axis_style(GRID)
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .y_label_style(("sans-serif", letters))
            .y_label_formatter(&|value| value.to_string())
            .draw()
            .map_err(|error| error.to_string())?;
        let mut line = |colour: RGBColor, value: fn(&Point) -> i64| {
            let steps = (0..)
                .zip(points)
                .flat_map(|(at, point)| [(at, value(point)), (at + 1, value(point))]);
            chart
                .draw_series(LineSeries::new(steps, colour.stroke_width(2)))
                .map(drop)
                .map_err(|error| error.to_string())
        };
        line(ON_HAND, |point| point.on_hand)?;
        line(AVAILABLE, |point| point.available)?;
        if let Some(mark) = mark.and_then(|mark| i64::try_from(mark).ok()) {
            let upright = [(mark + 1, low), (mark + 1, high)];
            chart
                .draw_series(LineSeries::new(upright, MARK.stroke_width(2)))
                .map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

/// When an event was recorded: a day, or a time where all of them are of about one day. In UTC.
fn time_of(points: &[Point], index: i64) -> String {
    let ends = points.first().zip(points.last());
    let is_short = ends.is_some_and(|(first, last)| last.at.0 - first.at.0 < TimeDelta::days(2));
    let form = if is_short { "%H:%M:%S" } else { "%Y-%m-%d" };
    let point = usize::try_from(index).ok().and_then(|index| points.get(index));
    point.map(|point| point.at.0.format(form).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_has_two_lines_and_a_mark() {
        let points = [(10, 10), (16, 12), (-2, -2)];
        let at = Moment::parse("2026-11-30 08:15").expect("a moment");
        let points = points.map(|(on_hand, available)| Point { at, on_hand, available });
        let chart = balance(&points, Some(1)).expect("it can be drawn");
        for picture in [chart.wide, chart.narrow] {
            for colour in ["#111111", "#222222", "#333333"] {
                assert_eq!(
                    picture.matches(&format!("stroke=\"{colour}\"")).count(),
                    1,
                    "{picture}"
                );
            }
            assert!(picture.contains("08:15:00"), "{picture}");
            assert!(!picture.contains("style="), "an inline style would be refused by the browser");
        }
        assert!(balance(&[], None).is_some(), "nothing happened yet");
    }
}
