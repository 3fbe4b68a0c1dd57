//! Packages of `fixtures/packages`, packed as a registry would.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// Packs all packages into a folder.
pub(crate) fn all(folder: &Path) -> Vec<PathBuf> {
    let names = ["example.base", "example.clinic"];
    names.iter().map(|name| packed(name, folder)).collect()
}

/// Packs one package into a folder.
pub(crate) fn packed(name: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/packages")
        .join(name);
    let path = folder.join(format!("{name}.tgz"));
    let file = fs::File::create(&path).expect("a file");
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
    archive
        .append_dir_all("package", source)
        .expect("the files");
    let gzip = archive.into_inner().expect("an archive");
    gzip.finish().expect("a file");
    path
}
