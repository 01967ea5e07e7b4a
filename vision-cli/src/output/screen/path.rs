use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table, Wrap};
use vision_core::probe::{Hop, HopRtt, PathReport};

use super::Drawn;
use crate::output::esc;

const HEAD: [&str; 9] = ["Hop", "Host", "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev"];

/// A path as it is known by now.
pub struct Live<'a> {
    /// What was found so far.
    pub report: &'a PathReport,
    /// What the user called the destination.
    pub name: &'a str,
}

impl Drawn for Live<'_> {
    fn draw(&self, frame: &mut Frame<'_>) {
        let report = self.report;
        let remarks = report.remarks.len().min(8) as u16;
        let areas = Layout::vertical([
            Constraint::Length(2),
            Constraint::Min(3),
            Constraint::Length(remarks + 1),
        ]);
        let [top, middle, bottom] = areas.areas(frame.area());
        frame.render_widget(Paragraph::new(title(self)), top);
        frame.render_widget(hops(report), middle);
        frame.render_widget(Paragraph::new(closing(report)).wrap(Wrap { trim: true }), bottom);
    }
}

fn title(shown: &Live<'_>) -> Vec<Line<'static>> {
    let PathReport { from, to, probing, rounds, .. } = shown.report;
    let name = esc(shown.name).to_string();
    vec![
        Line::from(format!("path to {name} ({to}) from {from} by {probing}, round {rounds}")),
        Line::styled("q ends", Style::new().add_modifier(Modifier::DIM)),
    ]
}

fn hops(report: &PathReport) -> Table<'static> {
    let widths = [
        Constraint::Length(4),
        Constraint::Min(15),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let head = Row::new(HEAD).style(Style::new().add_modifier(Modifier::BOLD));
    Table::new(report.hops.iter().flat_map(rows), widths).header(head)
}

fn rows(hop: &Hop) -> Vec<Row<'static>> {
    let first = hop.responders.first().map_or_else(|| "???".to_owned(), |r| r.addr.to_string());
    let colour = match hop.loss_percent {
        loss if loss >= 10.0 => Color::Red,
        loss if loss > 0.0 => Color::Yellow,
        _ => Color::Reset,
    };
    let loss = format!("{:.1}%", hop.loss_percent);
    let mut cells = vec![
        Cell::from(hop.ttl.to_string()),
        Cell::from(first),
        Cell::from(loss).style(Style::new().fg(colour)),
        Cell::from(hop.sent.to_string()),
    ];
    let figures = hop.rtt.map_or([None; 5], |rtt| {
        let HopRtt { last_ns, avg_ns, best_ns, worst_ns, stdev_ns, .. } = rtt;
        [last_ns, avg_ns, best_ns, worst_ns, stdev_ns].map(Some)
    });
    let time = |ns: Option<u64>| match ns {
        Some(ns) => format!("{:.3}", Duration::from_nanos(ns).as_secs_f64() * 1e3),
        None => "-".to_owned(),
    };
    cells.extend(figures.map(|ns| Cell::from(time(ns))));
    let others = hop.responders.iter().skip(1);
    let others = others.map(|one| Row::new([String::new(), one.addr.to_string()]));
    std::iter::once(Row::new(cells)).chain(others).collect()
}

fn closing(report: &PathReport) -> Vec<Line<'static>> {
    let end = std::iter::once(Line::from(report.end.text()));
    let remark = |remark: &vision_core::probe::Remark| {
        let colour = if remark.is_fault() { Color::Red } else { Color::Yellow };
        Line::styled(format!("* {}", esc(&remark.to_string())), Style::new().fg(colour))
    };
    end.chain(report.remarks.iter().take(8).map(remark)).collect()
}
