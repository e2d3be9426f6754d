//! The plots, as SVG.

use std::{ops::Range, path::Path};

use anyhow::anyhow;
use plotters::{
    coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    prelude::*,
};

const SIZE: (u32, u32) = (960, 480);
/// The width of the legend, right of the plot.
const LEGEND: u32 = 130;
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 8] = [
    RGBColor(27, 94, 140),
    RGBColor(150, 150, 150),
    RGBColor(217, 122, 38),
    RGBColor(106, 153, 78),
    RGBColor(130, 80, 150),
    RGBColor(190, 60, 60),
    RGBColor(80, 170, 180),
    RGBColor(180, 150, 40),
];

/// Bars side by side under a name. The parts of a bar are stacked.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) bars: Vec<Vec<f64>>,
}

/// Values by a parameter.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws bars of one part each, in the colours of the legend. The scale is logarithmic: values
/// differ by a factor of a hundred.
pub(super) fn bars(
    file: &Path,
    title: &str,
    legend: &[&str],
    groups: &[Group],
) -> anyhow::Result<()> {
    draw_bars(file, title, legend, groups, (1.0..highest(groups)).log_scale())
}

/// Draws stacked bars, whose parts have the colours of the legend.
pub(super) fn stacks(
    file: &Path,
    title: &str,
    legend: &[&str],
    groups: &[Group],
) -> anyhow::Result<()> {
    draw_bars(file, title, legend, groups, 0.0..highest(groups))
}

fn highest(groups: &[Group]) -> f64 {
    let heights = groups.iter().flat_map(|group| &group.bars).map(|parts| parts.iter().sum());
    heights.fold(10.0, f64::max) * 1.2
}

fn draw_bars<Y>(
    file: &Path,
    title: &str,
    legend: &[&str],
    groups: &[Group],
    heights: Y,
) -> anyhow::Result<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, (FONT, 18))
        .margin(10)
        .margin_right(LEGEND)
        .y_label_area_size(70)
        .x_label_area_size(30)
        .build_cartesian_2d(0.0..real(groups.len()), heights)
        .map_err(failed)?;
    let mut mesh = chart.configure_mesh();
    let mesh = mesh.disable_x_mesh().disable_x_axis().light_line_style(TRANSPARENT);
    mesh.y_label_formatter(&|y| format!("{y:.0}")).draw().map_err(failed)?;
    for (left, group) in (0..).map(real).zip(groups) {
        let width = 0.8 / real(group.bars.len());
        for (i, parts) in group.bars.iter().enumerate() {
            let x = left + 0.1 + width * real(i);
            let mut y = 0.0;
            for (j, part) in parts.iter().enumerate() {
                let colour = COLOURS[if parts.len() > 1 { j } else { i }];
                let corners = [(x, y), (x + 0.9 * width, y + part)];
                chart.draw_series([Rectangle::new(corners, colour.filled())]).map_err(failed)?;
                y += part;
            }
        }
        let place = chart.backend_coord(&(left + 0.1, 0.0));
        let name = Text::new(group.name, (place.0, SIZE.1.cast_signed() - 30), (FONT, 13));
        root.draw(&name).map_err(failed)?;
    }
    draw_legend(&root, legend)
}

/// The scale of the parameter.
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

/// Draws lines, with values on a logarithmic scale.
pub(super) fn lines(
    file: &Path,
    title: &str,
    (x_axis, x_scale): (&str, Scale),
    lines: &[Line],
) -> anyhow::Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (xs, ys) = (bounds(points().map(|at| at.0)), bounds(points().map(|at| at.1)));
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root);
    let chart = chart
        .caption(title, (FONT, 18))
        .margin(10)
        .margin_right(LEGEND)
        .y_label_area_size(70)
        .x_label_area_size(40);
    match x_scale {
        Scale::Linear => {
            let chart = chart.build_cartesian_2d(0.0..xs.end, ys.log_scale());
            draw_lines(&mut chart.map_err(failed)?, x_axis, lines)?;
        }
        Scale::Logarithmic => {
            let chart = chart.build_cartesian_2d(xs.log_scale(), ys.log_scale());
            draw_lines(&mut chart.map_err(failed)?, x_axis, lines)?;
        }
    }
    draw_legend(&root, &lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>())
}

fn draw_lines<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    x_axis: &str,
    lines: &[Line],
) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let number = |value: &f64| format!("{value}");
    let mut mesh = chart.configure_mesh();
    let mesh = mesh.x_desc(x_axis).light_line_style(TRANSPARENT);
    mesh.x_label_formatter(&number).y_label_formatter(&number).draw().map_err(failed)?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        let points = line.points.iter().copied();
        let series = LineSeries::new(points, colour.stroke_width(2)).point_size(3);
        chart.draw_series(series).map_err(failed)?;
    }
    Ok(())
}

/// A range somewhat wider than the values.
fn bounds(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) =
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    low * 0.8..high * 1.25
}

fn draw_legend(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    legend: &[&str],
) -> anyhow::Result<()> {
    for ((name, colour), row) in legend.iter().zip(COLOURS).zip(0..) {
        let (x, y) = ((SIZE.0 - LEGEND + 10).cast_signed(), 40 + 18 * row);
        let mark = Rectangle::new([(x, y), (x + 12, y + 12)], colour.filled());
        root.draw(&mark).map_err(failed)?;
        root.draw(&Text::new((*name).to_owned(), (x + 18, y), (FONT, 13))).map_err(failed)?;
    }
    root.present().map_err(failed)
}

#[expect(clippy::cast_precision_loss, reason = "plots have few bars")]
fn real(number: usize) -> f64 {
    number as f64
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing a plot failed: {error}")
}
