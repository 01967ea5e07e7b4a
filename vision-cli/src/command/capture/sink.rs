//! Where packets go: to the screen or to a file.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use vision_core::Target;
use vision_core::capture::file::{
    FileError, Interface, Limits, Precision, Rotation, Section, Statistics, Writer,
};
use vision_core::capture::{Capture, CaptureStats, Frame, Hit, Notice};

use crate::args::{CaptureArgs, Span, WriteFormat};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::diagnose;
use crate::output::packet::Packets;

/// Takes packets one by one.
pub enum Sink {
    /// Printed, in the form the user asked for.
    Print(Packets),
    /// Written as a capture file, or as several that take turns.
    File { writer: Box<Writer>, rotation: Option<Rotation> },
}

impl Sink {
    /// Opens the file, if there is to be one.
    ///
    /// # Errors
    /// What keeps the file from being made.
    pub fn open(
        args: &CaptureArgs,
        context: &Context,
        target: &Target,
        capture: &Capture,
    ) -> Result<Self, Failure> {
        let Some(path) = &args.write else {
            let style = args.print.style(&context.global);
            let mut packets = Packets::new(&context.out, style);
            packets.names(capture);
            return Ok(Self::Print(packets));
        };
        let mut rotation = rotation(args)?;
        let file = match &mut rotation {
            Some(rotation) => rotation.next_file()?,
            None if path == "-" => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            None => File::create(path)?,
        };
        let pcap = Path::new(path).extension().is_some_and(|it| it.eq_ignore_ascii_case("pcap"));
        let named = if pcap { WriteFormat::Pcap } else { WriteFormat::Pcapng };
        let mut writer = match args.format.unwrap_or(named) {
            WriteFormat::Pcap => Writer::pcap_file(file, Precision::Nano),
            WriteFormat::Pcapng => Writer::pcapng_file(file, &section(target)),
        };
        writer.interface(&interface(args, capture)).map_err(failure)?;
        writer.flush().map_err(failure)?;
        Ok(Self::File { writer: Box::new(writer), rotation })
    }

    /// Returns the folder in which it makes further files.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn folder(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::File { rotation: Some(rotation), .. } => {
                rotation.folder().try_clone_to_owned().map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// What writing says.
    #[inline]
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        number: u64,
        hit: Option<&Hit<'_>>,
        context: &mut Context,
    ) -> Result<(), Failure> {
        match self {
            Self::Print(packets) => Ok(packets.print(number, frame, hit, &mut context.out)?),
            Self::File { writer, rotation } => {
                if let Some(rotation) = rotation {
                    rotation.turn(writer, frame.data.len(), frame.time).map_err(failure)?;
                }
                writer.frame(frame).map_err(failure)
            }
        }
    }

    /// Learns the names of interfaces anew.
    pub fn names(&mut self, capture: &Capture) {
        if let Self::Print(packets) = self {
            packets.names(capture);
        }
    }

    /// Takes what happened to the interface.
    ///
    /// # Errors
    /// What writing says.
    pub fn notice(&mut self, notice: &Notice, context: &mut Context) -> Result<(), Failure> {
        self.flush(context)?;
        match context.out.is_json() {
            true => context.out.event(notice, |_, _| Ok(()))?,
            false => diagnose(&notice.to_string(), None),
        }
        Ok(())
    }

    /// Pushes out what is held back, because nothing more comes at the moment.
    ///
    /// # Errors
    /// What writing says.
    pub fn flush(&mut self, context: &mut Context) -> Result<(), Failure> {
        match self {
            Self::Print(packets) => {
                packets.push_out(&mut context.out)?;
                Ok(context.out.finish()?)
            }
            Self::File { writer, .. } => writer.flush().map_err(failure),
        }
    }

    /// Completes the output with what was counted.
    ///
    /// # Errors
    /// What writing says.
    pub fn close(
        self,
        captured: u64,
        stats: &CaptureStats,
        context: &mut Context,
    ) -> Result<(), Failure> {
        match self {
            Self::Print(mut packets) => {
                packets.push_out(&mut context.out)?;
                Ok(context.out.finish()?)
            }
            Self::File { mut writer, .. } => {
                let mut counts = Statistics::default();
                counts.accepted = Some(stats.received);
                counts.dropped_by_kernel = Some(stats.dropped);
                counts.dropped_by_interface = stats.interface_dropped;
                counts.delivered = Some(captured);
                writer.statistics(0, counts);
                writer.finish().map_err(failure)
            }
        }
    }
}

fn failure(error: FileError) -> Failure {
    match error {
        FileError::Write(source) => Failure::Output(source),
        other => Failure::Core(other.into()),
    }
}

fn section(target: &Target) -> Section {
    let mut section = Section::default();
    section.application = Some(concat!("vision ", env!("CARGO_PKG_VERSION")).to_owned());
    section.os = std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .ok()
        .map(|release| format!("Linux {}", release.trim()));
    section.comments.push(format!("taken in {target}, {}", target.id()));
    section
}

fn interface(args: &CaptureArgs, capture: &Capture) -> Interface {
    let mut interface = Interface::new(capture.link_type());
    interface.name = Some(capture.interface().name.escaped().to_string());
    interface.snap_len = Some(args.snap_bytes());
    let filter = args.filter.join(" ");
    interface.comments.extend((!filter.is_empty()).then(|| format!("filter: {filter}")));
    interface
}

fn rotation(args: &CaptureArgs) -> Result<Option<Rotation>, Failure> {
    let Some(path) = &args.write else { return Ok(None) };
    let mut limits = Limits::default();
    if let Some(ring) = args.ring {
        (limits.files, limits.bytes) = (Some(ring.files), Some(ring.bytes));
    }
    limits.every = args.rotate.as_ref().map(Span::strict).transpose()?;
    if limits == Limits::default() {
        return Ok(None);
    }
    if path == "-" {
        let why = "standard output cannot be rotated; name a file with -w".to_owned();
        return Err(vision_core::Error::Invalid { what: "output", why }.into());
    }
    Ok(Some(Rotation::new(path, limits)?))
}
