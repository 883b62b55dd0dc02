//! What the disk does at this moment: disks here and elsewhere swing within minutes.

use std::{
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

/// Writes of 4 KiB made durable one after the other.
pub(crate) fn syncs_a_second(folder: &Path) -> f64 {
    let mut file = tempfile::tempfile_in(folder).unwrap();
    file.write_all(&[0; 4_096]).unwrap();
    file.sync_all().unwrap();
    let (start, mut syncs) = (Instant::now(), 0.0);
    while start.elapsed() < Duration::from_millis(300) {
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&[1; 4_096]).unwrap();
        file.sync_data().unwrap();
        syncs += 1.0;
    }
    syncs / start.elapsed().as_secs_f64()
}
