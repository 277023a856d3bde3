//! Tables for people: columns in kubectl's layout, coloured on a terminal.

use std::io::IsTerminal;

/// Blanks between two columns.
const GAP: usize = 3;

/// How a cell is to be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// Wrong.
    Bad,
    /// Over and done.
    Past,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Whether colours may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours(pub bool);

impl Colours {
    /// Colours when standard output is a terminal that has some and NO_COLOR does not forbid them.
    pub fn of_stdout() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(!forbidden && !dumb && std::io::stdout().is_terminal())
    }

    /// The text in the colour of its tone.
    fn paint(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            _ if !self.0 || text.is_empty() => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => 32,
            Tone::Busy => 33,
            Tone::Bad => 31,
            Tone::Past => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A table that is printed as it grows: columns never get narrower, so that rows printed later line up.
#[derive(Debug)]
pub struct Table {
    widths: Vec<usize>,
    header: Option<Vec<Cell>>,
    colours: Colours,
}

impl Table {
    /// A table whose header is printed with the first rows, unless `header` is false.
    pub fn new(columns: &[&str], header: bool, colours: Colours) -> Self {
        Self {
            widths: vec![0; columns.len()],
            header: header.then(|| columns.iter().map(|&name| name.into()).collect()),
            colours,
        }
    }

    /// The text of some rows, below the header if these are the first; empty without rows.
    pub fn text(&mut self, rows: Vec<Vec<Cell>>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let lines: Vec<Vec<Cell>> = self.header.take().into_iter().chain(rows).collect();
        for line in &lines {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        lines.iter().map(|line| self.line(line)).collect()
    }

    fn line(&self, cells: &[Cell]) -> String {
        let mut line = String::new();
        let mut blanks = 0;
        for (cell, width) in cells.iter().zip(&self.widths) {
            if !cell.text.is_empty() {
                line.extend(std::iter::repeat_n(' ', blanks));
                line.push_str(&self.colours.paint(&cell.text, cell.tone));
                blanks = 0;
            }
            blanks += width + GAP - cell.text.chars().count();
        }
        line.push('\n');
        line
    }
}

/// Lines with tab-separated cells as aligned text: in neighbouring lines that have a cell in some column,
/// followed by a tab, that column is as wide as the widest of them plus two blanks (kubectl describe's layout).
pub fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let mut widths: Vec<Vec<usize>> = lines
        .iter()
        .map(|cells| cells.iter().map(|cell| cell.chars().count() + 2).collect())
        .collect();
    let most = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..most {
        let in_block = |line: &Vec<&str>| line.len() > column + 1;
        let mut start = 0;
        while start < lines.len() {
            let length = lines[start..]
                .iter()
                .take_while(|line| in_block(line))
                .count();
            let block = start..start + length;
            let width = widths[block.clone()].iter().map(|line| line[column]).max();
            for line in &mut widths[block] {
                line[column] = width.unwrap_or(0);
            }
            start += length.max(1);
        }
    }
    let mut out = String::new();
    for (cells, widths) in lines.iter().zip(&widths) {
        let padded: String = cells
            .iter()
            .zip(widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        out.push_str(padded.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Cell> {
        cells.iter().map(|&text| text.into()).collect()
    }

    #[test]
    fn columns_are_three_blanks_apart_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NAME", "READY", "AGE"], true, Colours(false));
        let text = table.text(vec![
            row(&["web", "1/1", "5s"]),
            row(&["long-name", "0/1", ""]),
        ]);
        assert_eq!(
            text,
            "NAME        READY   AGE\nweb         1/1     5s\nlong-name   0/1\n"
        );
    }

    #[test]
    fn later_rows_keep_the_widths() {
        let mut table = Table::new(&["NAME", "READY"], true, Colours(false));
        table.text(vec![row(&["long-name", "1/1"])]);
        assert_eq!(table.text(vec![row(&["a", "0/1"])]), "a           0/1\n");
        assert_eq!(
            table.text(vec![row(&["a-longer-name", "0/1"])]),
            "a-longer-name   0/1\n"
        );
        assert_eq!(
            table.text(vec![row(&["a", "0/1"])]),
            "a               0/1\n"
        );
        assert_eq!(table.text(vec![]), "");
    }

    #[test]
    fn colour_does_not_count_as_width() {
        let mut table = Table::new(&["STATUS", "AGE"], false, Colours(true));
        let cells = vec![Cell::toned("Running", Tone::Good), "5s".into()];
        let text = table.text(vec![cells, row(&["Terminating", "1s"])]);
        assert_eq!(text, "\x1b[32mRunning\x1b[0m       5s\nTerminating   1s\n");
    }

    #[test]
    fn only_neighbours_share_a_column() {
        let text = "Name:\tweb\nNode Name:\tx\nContainers:\n  a:\n    Image:\thost:x\n    ID:\t\nEnd:\n  b:\t1";
        assert_eq!(
            align(text),
            "Name:       web\nNode Name:  x\nContainers:\n  a:\n    Image:  host:x\n    ID:\nEnd:\n  b:  1\n"
        );
    }
}
