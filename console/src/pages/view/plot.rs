//! Plots: SVG of plotters, with the numbers in a table behind. Colours stand for those of the theme (`style.css`).

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

const SIZE: (u32, u32) = (620, 220);
const DELIVERED: RGBColor = RGBColor(1, 1, 1);
const RETRYING: RGBColor = RGBColor(2, 2, 2);
const FAILED: RGBColor = RGBColor(3, 3, 3);
const QUIET: RGBColor = RGBColor(4, 4, 4);

/// Counts of a period, by outcome.
pub struct Stacked {
    pub from: Timestamp,
    pub delivered: i64,
    pub retrying: i64,
    pub failed: i64,
}

/// Values of a period; `None`: there are none.
pub struct Line {
    pub from: Timestamp,
    pub values: [Option<f64>; 3],
}

/// Bars of periods that are `seconds` long.
pub fn stacked(title: &str, periods: &[Stacked], seconds: i64) -> Markup {
    let top = periods
        .iter()
        .map(|p| p.delivered + p.retrying + p.failed)
        .max()
        .unwrap_or_default();
    let svg = draw(
        periods.iter().map(|p| p.from),
        seconds,
        top as f64,
        |chart| {
            for period in periods {
                let (from, to) = (
                    period.from.as_second(),
                    period.from.as_second() + seconds * 9 / 10,
                );
                let mut base = 0;
                for (n, color) in [
                    (period.delivered, DELIVERED),
                    (period.retrying, RETRYING),
                    (period.failed, FAILED),
                ] {
                    if n > 0 {
                        let corners = [(from, base as f64), (to, (base + n) as f64)];
                        chart.draw_series([Rectangle::new(corners, color.filled())])?;
                        base += n;
                    }
                }
            }
            Ok(())
        },
    );
    figure(
        title,
        svg,
        &["delivered", "retrying", "failed"],
        periods,
        |p| [p.delivered, p.retrying, p.failed].map(super::count),
        |p| p.from,
    )
}

/// Three lines, from the lowest to the highest, in milliseconds.
pub fn lines(title: &str, names: [&str; 3], points: &[Line], seconds: i64) -> Markup {
    let top = points
        .iter()
        .flat_map(|p| p.values)
        .flatten()
        .fold(0.0, f64::max);
    let svg = draw(points.iter().map(|p| p.from), seconds, top, |chart| {
        for (i, color) in [DELIVERED, RETRYING, FAILED].into_iter().enumerate() {
            let series = points.iter().filter_map(|p| {
                let value = p.values[i]?;
                Some((p.from.as_second() + seconds / 2, value))
            });
            let series: Vec<_> = series.collect();
            let dots = series.iter().map(|at| Circle::new(*at, 2, color.filled()));
            chart.draw_series(dots)?;
            chart.draw_series(LineSeries::new(series, color.stroke_width(2)))?;
        }
        Ok(())
    });
    figure(
        title,
        svg,
        &names,
        points,
        |p| p.values.map(super::milliseconds),
        |p| p.from,
    )
}

/// The shape of some counts, without axes; the word says what it shows.
pub fn sparkline(word: &str, counts: &[i64]) -> Markup {
    let top = counts.iter().copied().max().unwrap_or_default().max(1);
    let last = counts.len().saturating_sub(1).max(1);
    let points: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(i, n)| {
            let x = i as f64 * 96.0 / last as f64;
            let y = 19.0 - *n as f64 * 18.0 / top as f64;
            format!("{x:.1},{y:.1}")
        })
        .collect();
    html! {
        svg.sparkline viewBox="0 0 96 20" role="img" aria-label=(word) preserveAspectRatio="none" {
            polyline points=(points.join(" ")) fill="none" stroke="currentColor" stroke-width="1.5" {}
        }
    }
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordi64, plotters::coord::types::RangedCoordf64>,
>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The axes, and what is drawn between them; `None`: there is nothing to draw.
fn draw(
    times: impl Iterator<Item = Timestamp>,
    seconds: i64,
    top: f64,
    content: impl FnOnce(&mut Chart<'_, '_>) -> Drawn,
) -> Option<String> {
    let times: Vec<i64> = times.map(Timestamp::as_second).collect();
    let (first, last) = (*times.first()?, *times.last()? + seconds);
    if top <= 0.0 {
        return None;
    }
    let mut svg = String::new();
    let drawn = (|| -> Drawn {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(4)
            .x_label_area_size(20)
            .y_label_area_size(44)
            .build_cartesian_2d(first..last, 0.0..top * 1.05)?;
        let day = last - first > 2 * 86_400;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(QUIET.stroke_width(1))
            .axis_style(QUIET)
            .label_style(("sans-serif", 11, &QUIET))
            .x_labels(6)
            .y_labels(4)
            .x_label_formatter(&|at| {
                let form = if day { "%b %d" } else { "%H:%M" };
                Timestamp::from_second(*at)
                    .map(|at| at.strftime(form).to_string())
                    .unwrap_or_default()
            })
            .y_label_formatter(&|value| match value {
                v if *v >= 1e6 => format!("{:.1}M", v / 1e6),
                v if *v >= 1e3 => format!("{:.1}k", v / 1e3),
                v => format!("{v:.0}"),
            })
            .draw()?;
        content(&mut chart)?;
        area.present()?;
        Ok(())
    })();
    match drawn {
        Ok(()) => Some(svg),
        Err(error) => {
            tracing::warn!("a plot can't be drawn: {error}");
            None
        }
    }
}

fn figure<P>(
    title: &str,
    svg: Option<String>,
    names: &[&str; 3],
    periods: &[P],
    texts: impl Fn(&P) -> [String; 3],
    from: impl Fn(&P) -> Timestamp,
) -> Markup {
    let Some(svg) = svg else {
        return html! {
            figure.plot { figcaption { (title) } p.empty { "Nothing in this period." } }
        };
    };
    html! {
        figure.plot {
            figcaption { (title) }
            div role="img" aria-label={ (title) "; the table has the numbers" } { (PreEscaped(svg)) }
            details {
                summary { "Table" }
                div.scroll { table {
                    thead { tr { th { "from" } @for name in names { th.number { (name) } } } }
                    tbody { @for period in periods { tr {
                        td { (super::absolute(Some(super::Moment::At(from(period))))) }
                        @for text in texts(period) { td.number { (text) } }
                    } } }
                } }
            }
        }
    }
}
