//! Two kinds of picture as SVG, by hand. Readable on light and dark ground.

use std::fmt::Write as _;

use crate::table::shown;

/// A pair of bars.
#[derive(Debug)]
pub(super) struct Bar {
    /// What both tell.
    pub(super) name: String,
    /// Ours.
    pub(super) ours: f64,
    /// The other.
    pub(super) baseline: f64,
}

/// A line through points.
#[derive(Debug)]
pub(super) struct Line {
    /// Who and what.
    pub(super) name: String,
    /// Whose.
    pub(super) is_ours: bool,
    /// From left to right, above zero.
    pub(super) points: Vec<(f64, f64)>,
}

const OURS: &str = "#2f7d4f";
const BASELINE: &str = "#9aa0a6";
const STYLE: &str = "<style>text{font:13px system-ui,sans-serif;fill:#555}\
    .t{font-size:16px;font-weight:600}@media(prefers-color-scheme:dark){text{fill:#bbb}}</style>";

const WIDTH: f64 = 860.0;
const MARGIN: f64 = 20.0;

/// Pairs of bars below each other, each pair to its own scale: the longer bar fills the width.
/// Figures as different as reads and orders would not be seen on one.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 62.0;
    const TOP: f64 = 50.0;
    const ROOM: f64 = 560.0;
    let mut text = open(title, TOP + ROW * bars.len() as f64 + MARGIN);
    for (nth, bar) in bars.iter().enumerate() {
        let y = ROW.mul_add(nth as f64, TOP);
        let longest = bar.ours.max(bar.baseline).max(f64::MIN_POSITIVE);
        label(&mut text, MARGIN, y + 12.0, &bar.name);
        for (figure, colour, top) in
            [(bar.ours, OURS, y + 18.0), (bar.baseline, BASELINE, y + 35.0)]
        {
            let width = figure / longest * ROOM;
            put(
                &mut text,
                &format!(
                    "<rect x='{MARGIN}' y='{top:.0}' width='{width:.1}' height='14' \
                     fill='{colour}'/>"
                ),
            );
            label(&mut text, MARGIN + width + 6.0, top + 12.0, &shown(figure));
        }
    }
    close(text)
}

/// Lines on logarithmic axes, so that one client and many, and half of the answers and almost all,
/// are all seen.
pub(super) fn lines(title: &str, below: &str, lines: &[Line]) -> String {
    const HEIGHT: f64 = 460.0;
    let (left, right, top, bottom) = (70.0, WIDTH - 190.0, 50.0, HEIGHT - 50.0);
    let points = || lines.iter().flat_map(|line| &line.points);
    let xs = Scale::over(points().map(|point| point.0), left, right);
    let ys = Scale::over(points().map(|point| point.1), bottom, top);
    let mut text = open(title, HEIGHT);
    for tick in ys.ticks() {
        let y = ys.place(tick);
        put(
            &mut text,
            &format!("<path d='M{left} {y:.1}H{right}' stroke='{BASELINE}' stroke-opacity='.35'/>"),
        );
        label(&mut text, MARGIN, y + 4.0, &shown(tick));
    }
    for (x, _) in lines.iter().max_by_key(|line| line.points.len()).map_or(&[][..], |l| &l.points) {
        label(&mut text, xs.place(*x) - 6.0, bottom + 20.0, &shown(*x));
    }
    label(&mut text, (left + right) / 2.0, bottom + 40.0, below);
    for (nth, line) in lines.iter().enumerate() {
        let colour = if line.is_ours { OURS } else { BASELINE };
        // Half, almost all, all but one in a thousand: the rarer, the finer.
        let dash = ["none", "7 4", "2 4"][nth / 2 % 3];
        let path: Vec<String> = line
            .points
            .iter()
            .map(|(x, y)| format!("{:.1} {:.1}", xs.place(*x), ys.place(*y)))
            .collect();
        let drawn = format!(
            "<path d='M{}' fill='none' stroke='{colour}' stroke-width='2.5' \
             stroke-dasharray='{dash}'/>",
            path.join("L")
        );
        put(&mut text, &drawn);
        let y = 22.0_f64.mul_add(nth as f64, top + 10.0);
        let from = right + 16.0;
        put(
            &mut text,
            &format!(
                "<path d='M{from} {y}h28' stroke='{colour}' stroke-width='2.5' \
                 stroke-dasharray='{dash}'/>"
            ),
        );
        label(&mut text, from + 34.0, y + 4.0, &line.name);
    }
    close(text)
}

/// A logarithmic axis.
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn over(figures: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (least, most) = figures
            .filter(|figure| *figure > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), figure| {
                (least.min(figure), most.max(figure))
            });
        // One figure alone, or none, still needs a length.
        let most = if most > least { most } else { least * 10.0 };
        Self { least, most, from, to }
    }

    fn place(&self, figure: f64) -> f64 {
        let part = (figure.max(self.least) / self.least).ln() / (self.most / self.least).ln();
        (self.to - self.from).mul_add(part, self.from)
    }

    /// 1, 2 and 5 of every power of ten within.
    fn ticks(&self) -> Vec<f64> {
        let powers = -3..=6;
        let all = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|first| first * 10_f64.powi(power)));
        all.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

fn open(title: &str, height: f64) -> String {
    let mut text = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' role='img'>\n{STYLE}\n"
    );
    put(&mut text, &format!("<text class='t' x='{MARGIN}' y='28'>{}</text>", escaped(title)));
    let key = [("Stockbook", OURS, WIDTH - 230.0), ("baseline", BASELINE, WIDTH - 110.0)];
    for (name, colour, x) in key {
        put(&mut text, &format!("<rect x='{x}' y='17' width='12' height='12' fill='{colour}'/>"));
        label(&mut text, x + 18.0, 28.0, name);
    }
    text
}

fn close(mut text: String) -> String {
    text.push_str("</svg>\n");
    text
}

fn put(text: &mut String, element: &str) {
    text.push_str(element);
    text.push('\n');
}

fn label(text: &mut String, x: f64, y: f64, words: &str) {
    let written = writeln!(text, "<text x='{x:.1}' y='{y:.1}'>{}</text>", escaped(words));
    written.expect("a String takes everything");
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
