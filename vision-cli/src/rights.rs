//! Putting into force the capabilities that an image's file gives.

use caps::CapSet;

/// Puts every permitted capability into force, for the calling thread and those it starts.
///
/// A file whose capabilities are permitted only (`setcap ...=p`) starts in every container, also
/// where some of them are refused; one whose capabilities are in force at once (`=ep`) does not
/// (execve(2), EPERM). So the first is how an image is made, and the rest is done here.
pub fn raise() {
    let permitted = caps::read(None, CapSet::Permitted);
    let in_force = caps::read(None, CapSet::Effective);
    if let (Ok(permitted), Ok(in_force)) = (permitted, in_force)
        && permitted != in_force
    {
        // What is not granted is named by the call that needs it.
        let _ = caps::set(None, CapSet::Effective, &permitted);
    }
}
