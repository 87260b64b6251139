//! How the demo looks: numbered steps, indented text, colours on a terminal (none if `NO_COLOR` is set).

use std::cell::Cell;
use std::io::IsTerminal;

const INDENT: &str = "   ";
/// Wide enough for a hex signature with its header name.
const WIDTH: usize = 96;

/// Standard output.
pub struct Paper {
    colours: bool,
    steps: Cell<u32>,
}

impl Paper {
    pub fn for_stdout() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colours,
            steps: Cell::new(0),
        }
    }

    pub fn title(&self, text: &str) {
        println!("\n{}", self.bold(text));
    }

    /// A numbered heading.
    pub fn step(&self, text: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n{}", self.bold(&format!("{}  {text}", self.steps.get())));
        println!();
    }

    /// A paragraph.
    pub fn say(&self, text: &str) {
        for line in text.lines() {
            println!("{}", format!("{INDENT}{line}").trim_end());
        }
    }

    /// SQL, as it is run.
    pub fn sql(&self, text: &str) {
        for line in text.lines() {
            if line.is_empty() {
                println!();
            } else {
                println!("{INDENT}{}", self.paint("36", line));
            }
        }
    }

    /// A name and its value; what does not fit is cut.
    pub fn pair(&self, name: &str, value: &str) {
        const NAMES: usize = 20;
        let room = WIDTH - INDENT.len() - NAMES;
        let value = if value.chars().count() > room {
            value.chars().take(room - 1).chain(['…']).collect()
        } else {
            value.to_owned()
        };
        println!("{INDENT}{}{value}", self.dim(&format!("{name:<NAMES$}")));
    }

    /// A header line.
    pub fn header(&self, name: &str, value: &str) {
        println!("{INDENT}{} {value}", self.dim(&format!("{name}:")));
    }

    /// Something checked.
    pub fn verdict(&self, good: bool, text: &str) {
        println!("{INDENT}{}", self.mark(good, text));
    }

    pub fn blank(&self) {
        println!();
    }

    pub fn mark(&self, good: bool, text: &str) -> String {
        if good {
            self.paint("32", &format!("{text} ✔"))
        } else {
            self.paint("31", &format!("{text} ✘"))
        }
    }

    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
