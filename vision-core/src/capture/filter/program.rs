use std::fmt;

/// An instruction of classic BPF (linux/filter.h `struct sock_filter`).
// Closed: the kernel's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Class, size, mode and operation.
    pub code: u16,
    /// How many instructions a test skips that holds.
    pub jt: u8,
    /// How many instructions a test skips that does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl From<(u16, u8, u8, u32)> for Instruction {
    fn from((code, jt, jf, k): (u16, u8, u8, u32)) -> Self {
        Self { code, jt, jf, k }
    }
}

impl From<Instruction> for (u16, u8, u8, u32) {
    fn from(it: Instruction) -> Self {
        (it.code, it.jt, it.jf, it.k)
    }
}

/// Numbers of instructions, as linux/bpf_common.h composes them.
pub(super) mod code {
    pub const LD_IMM: u16 = 0x00;
    pub const LD_MEM: u16 = 0x60;
    pub const LD_LEN: u16 = 0x80;
    pub const LDX_IMM: u16 = 0x01;
    pub const LDX_MEM: u16 = 0x61;
    pub const LDX_LEN: u16 = 0x81;
    pub const LDX_MSH: u16 = 0xb1;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const NEG: u16 = 0x84;
    pub const JA: u16 = 0x05;
    pub const JEQ: u16 = 0x15;
    pub const JGT: u16 = 0x25;
    pub const JGE: u16 = 0x35;
    pub const JSET: u16 = 0x45;
    pub const RET: u16 = 0x06;
    pub const RET_A: u16 = 0x16;
    pub const TAX: u16 = 0x07;
    pub const TXA: u16 = 0x87;
}

/// A program of classic BPF, in the forms that `tcpdump -d`, `-dd` and `-ddd` print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub(super) instructions: Vec<Instruction>,
}

impl Program {
    /// Takes instructions from elsewhere.
    pub fn new(instructions: Vec<Instruction>) -> Self {
        Self { instructions }
    }

    /// Returns the instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Returns the instructions as a C array has them (`tcpdump -dd`).
    pub fn as_c(&self) -> String {
        let line = |it: &Instruction| {
            format!("{{ {:#x}, {}, {}, {:#010x} }},\n", it.code, it.jt, it.jf, it.k)
        };
        self.instructions.iter().map(line).collect()
    }

    /// Returns how many instructions there are, and each as four numbers (`tcpdump -ddd`).
    pub fn as_numbers(&self) -> String {
        let line = |it: &Instruction| format!("{} {} {} {}\n", it.code, it.jt, it.jf, it.k);
        let lines: String = self.instructions.iter().map(line).collect();
        format!("{}\n{lines}", self.instructions.len())
    }
}

/// One line per instruction (`tcpdump -d`).
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, it) in self.instructions.iter().enumerate() {
            let (name, operand) = words(it, at);
            match it.code & 0x07 == 0x05 && it.code & 0xf0 != 0 {
                true => {
                    let (jt, jf) = (at + 1 + usize::from(it.jt), at + 1 + usize::from(it.jf));
                    writeln!(f, "({at:03}) {name:<8} {operand:<16} jt {jt}\tjf {jf}")?;
                }
                false => writeln!(f, "({at:03}) {name:<8} {operand}")?,
            }
        }
        Ok(())
    }
}

/// An instruction's name and operand.
fn words(it: &Instruction, at: usize) -> (&'static str, String) {
    let k = it.k;
    let size = match it.code & 0x18 {
        0x08 => "ldh",
        0x10 => "ldb",
        _ => "ld",
    };
    let register = it.code & 0x08 != 0;
    match (it.code & 0x07, it.code & 0xe0) {
        (0, 0x00) => ("ld", format!("#{k:#x}")),
        (0, 0x20) => (size, ancillary(k).map_or_else(|| format!("[{k}]"), |it| format!("[{it}]"))),
        (0, 0x40) => (size, format!("[x + {k}]")),
        (0, 0x60) => ("ld", format!("M[{k}]")),
        (0, 0x80) => ("ld", "#pktlen".to_owned()),
        (1, 0x00) => ("ldx", format!("#{k:#x}")),
        (1, 0x60) => ("ldx", format!("M[{k}]")),
        (1, 0x80) => ("ldx", "#pktlen".to_owned()),
        (1, 0xa0) => ("ldxb", format!("4*([{k}]&0xf)")),
        (2, _) => ("st", format!("M[{k}]")),
        (3, _) => ("stx", format!("M[{k}]")),
        (4, _) => calculation(it),
        (5, _) => {
            let name = match it.code & 0xf0 {
                0x10 => "jeq",
                0x20 => "jgt",
                0x30 => "jge",
                0x40 => "jset",
                0x00 => return ("ja", (at as i64 + 1 + i64::from(k as i32)).to_string()),
                _ => return unknown(it),
            };
            (name, if register { "x".to_owned() } else { format!("#{k:#x}") })
        }
        (6, _) if it.code & 0x18 == 0x10 => ("ret", String::new()),
        (6, _) => ("ret", format!("#{k}")),
        (7, 0x80) => ("txa", String::new()),
        (7, _) => ("tax", String::new()),
        _ => unknown(it),
    }
}

fn calculation(it: &Instruction) -> (&'static str, String) {
    let (name, bits) = match it.code & 0xf0 {
        0x00 => ("add", false),
        0x10 => ("sub", false),
        0x20 => ("mul", false),
        0x30 => ("div", false),
        0x40 => ("or", true),
        0x50 => ("and", true),
        0x60 => ("lsh", false),
        0x70 => ("rsh", false),
        0x80 => return ("neg", String::new()),
        0x90 => ("mod", false),
        0xa0 => ("xor", true),
        _ => return unknown(it),
    };
    let k = it.k;
    let operand = match (it.code & 0x08 != 0, bits) {
        (true, _) => "x".to_owned(),
        (false, true) => format!("#{k:#x}"),
        (false, false) => format!("#{k}"),
    };
    (name, operand)
}

fn unknown(it: &Instruction) -> (&'static str, String) {
    ("unimp", format!("{:#x}", it.code))
}

/// What the kernel knows beside the bytes, by libpcap's names.
fn ancillary(k: u32) -> Option<&'static str> {
    Some(match k.checked_sub(0xffff_f000)? {
        0 => "proto",
        4 => "type",
        8 => "ifidx",
        12 => "nla",
        16 => "nlan",
        20 => "mark",
        24 => "queue",
        28 => "hatype",
        32 => "rxhash",
        36 => "cpu",
        44 => "vlant",
        48 => "vlanp",
        52 => "payload",
        56 => "rand",
        60 => "vlanproto",
        _ => return None,
    })
}
