//! Generates the R4 model from `schemas/` into `OUT_DIR/fhir`. Reads nothing else, uses no
//! network. `FHIR_CODEGEN_VERBOSE=1` says what was made and how long it took,
//! `FHIR_CODEGEN_NO_GOLDEN=1` leaves the golden output out of the library's tests.

use std::{env, error::Error, fs, io::Write, path::Path, time::Instant};

use flate2::{Compression, write::DeflateEncoder};

#[path = "src/codegen/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the library's tests read more of it than this script"
)]
mod codegen;

#[path = "src/model/fhirpath/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the library uses more of it than the generator"
)]
mod fhirpath;

const VERBOSE: &str = "FHIR_CODEGEN_VERBOSE";
const NO_GOLDEN: &str = "FHIR_CODEGEN_NO_GOLDEN";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schemas\ncargo::rustc-check-cfg=cfg(golden)");
    println!("cargo::rerun-if-env-changed={VERBOSE}\ncargo::rerun-if-env-changed={NO_GOLDEN}");
    if env::var_os(NO_GOLDEN).is_none() {
        println!("cargo::rustc-cfg=golden");
    }
    let started = Instant::now();
    let schemas = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("schemas");
    let read = |file: &str| fs::read_to_string(schemas.join(file));
    let files = codegen::generate(&codegen::Inputs::read(read)?)?;
    let folder = Path::new(&env::var("OUT_DIR")?).join("fhir");
    fs::create_dir_all(&folder)?;
    for file in &files {
        let path = folder.join(&file.name);
        if file.name.ends_with(".json") {
            let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
            deflated.write_all(file.text.as_bytes())?;
            fs::write(path.with_extension("json.deflate"), deflated.finish()?)?;
        } else {
            fs::write(path, &file.text)?;
        }
    }
    if env::var_os(VERBOSE).is_some() {
        let bytes: usize = files.iter().map(|file| file.text.len()).sum();
        let (count, place, took) = (files.len(), folder.display(), started.elapsed());
        println!("cargo::warning={count} files, {bytes} bytes in {took:?}, in {place}");
    }
    Ok(())
}
