use std::io::{self, Write};

use vision_core::inventory::ethtool::{DriverInfo, Ethtool, Feature};

use super::link::fields;
use crate::output::{Style, esc};

/// Writes what a driver told, a line or more for each part.
pub(super) fn write(told: &Ethtool, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    if let Some(driver) = &told.driver {
        write_driver(driver, out)?;
    }
    let parts = [
        ("phy", told.phy.as_ref().map(|phy| phy.fields())),
        ("rings", told.rings.as_ref().map(|rings| rings.fields())),
        ("channels", told.channels.as_ref().map(|channels| channels.fields())),
        ("coalesce", told.coalesce.as_ref().map(|coalesce| coalesce.fields())),
        ("pause", told.pause.as_ref().map(|pause| pause.fields())),
        ("timestamping", told.timestamping.as_ref().map(|stamps| stamps.fields())),
    ];
    for (name, values) in parts {
        if let Some(values) = values {
            writeln!(out, "    {name}:")?;
            fields(out, &values, "        ")?;
        }
    }
    if !told.features.is_empty() {
        write_features(&told.features, out, style)?;
    }
    if !told.nic_stats.is_empty() {
        writeln!(out, "    nic-stats:")?;
        for stat in &told.nic_stats {
            writeln!(out, "        {} {}", esc(&stat.name), stat.value)?;
        }
    }
    for name in told.unsupported.names() {
        writeln!(out, "    {name}: not supported by this driver or kernel")?;
    }
    Ok(())
}

fn write_driver(driver: &DriverInfo, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "    driver: {}", esc(&driver.driver))?;
    for (word, value) in
        [("version", &driver.version), ("firmware", &driver.firmware), ("bus", &driver.bus)]
    {
        if !value.is_empty() {
            write!(out, " {word} {}", esc(value))?;
        }
    }
    if let Some(address) = driver.permanent_address {
        write!(out, " permanent address {address}")?;
    }
    writeln!(out)
}

/// What can be changed one by one; what is fixed in two lines, unless more is wanted.
fn write_features(features: &[Feature], out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { good, dim, .. } = style;
    writeln!(out, "    features:")?;
    for feature in features.iter().filter(|feature| !feature.fixed || style.verbose > 0) {
        let (paint, word) = if feature.active { (good, "on") } else { (dim, "off") };
        write!(out, "        {}: {paint}{word}{paint:#}", esc(&feature.name))?;
        if feature.requested != feature.active && !feature.fixed {
            write!(out, " [requested {}]", if feature.requested { "on" } else { "off" })?;
        }
        writeln!(out, "{}", if feature.fixed { " [fixed]" } else { "" })?;
    }
    if style.verbose > 0 {
        return Ok(());
    }
    let of = |on: bool| {
        let those = features.iter().filter(move |f| f.fixed && f.active == on);
        those.map(|f| esc(&f.name).to_string()).collect::<Vec<_>>()
    };
    let on = of(true);
    if !on.is_empty() {
        writeln!(out, "        always on: {}", on.join(" "))?;
    }
    match of(false).len() {
        0 => Ok(()),
        count => {
            writeln!(out, "        {dim}and {count} that are off and fixed; -v lists them{dim:#}")
        }
    }
}
