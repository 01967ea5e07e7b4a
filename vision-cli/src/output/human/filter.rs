use std::io::{self, Write};

use serde::Serialize;
use vision_core::capture::filter::{Filter, Instruction, Program};

use crate::output::{Human, Style};

/// A compiled filter.
#[derive(Debug, Serialize)]
pub struct FilterReport {
    link_type: String,
    /// Code, jumps and operand of each instruction.
    instructions: Vec<(u16, u8, u8, u32)>,
    #[serde(skip)]
    form: u8,
}

impl FilterReport {
    /// Takes the program to be shown in one of tcpdump's forms: one, two or three `d`.
    pub fn new(filter: &Filter, form: u8) -> Self {
        let instructions = filter.program().instructions().iter().map(|it| (*it).into());
        let link_type = filter.link_type().to_string();
        Self { link_type, instructions: instructions.collect(), form }
    }
}

impl Human for FilterReport {
    fn human(&self, out: &mut dyn Write, _style: &Style) -> io::Result<()> {
        let instructions = self.instructions.iter().copied().map(Instruction::from);
        let program = Program::new(instructions.collect());
        match self.form {
            0 | 1 => write!(out, "{program}"),
            2 => write!(out, "{}", program.as_c()),
            _ => write!(out, "{}", program.as_numbers()),
        }
    }
}
