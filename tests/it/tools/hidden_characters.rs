//! Characters that hide text: which of them are taken out of what a model
//! sees, which stay, and how the answer tells.

use fhir_mcp_server::mcp::{OnInvalid, Options};
use serde_json::{Value, json};

use super::Setting;

/// The number that the project asks for.
const WANTED: usize = 125;

/// Hidden wherever they stand between Latin letters.
const HIDDEN: &[(&str, &[char])] = &[
    (
        "control",
        &[
            '\u{1}', '\u{7}', '\u{8}', '\u{b}', '\u{c}', '\u{1b}', '\u{7f}', '\u{80}', '\u{85}',
            '\u{9b}',
        ],
    ),
    (
        "bidirectional control",
        &[
            '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
            '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
        ],
    ),
    (
        "zero width",
        &[
            '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{180e}',
        ],
    ),
    ("soft hyphen", &['\u{ad}']),
    (
        "interlinear annotation",
        &['\u{fff9}', '\u{fffa}', '\u{fffb}'],
    ),
    (
        "ignorable",
        &[
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{17b5}',
            '\u{2061}',
            '\u{2062}',
            '\u{2063}',
            '\u{2064}',
            '\u{2065}',
            '\u{206a}',
            '\u{206b}',
            '\u{206c}',
            '\u{206d}',
            '\u{206e}',
            '\u{206f}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fff0}',
            '\u{fff8}',
            '\u{1bca0}',
            '\u{1bca3}',
            '\u{1d173}',
            '\u{1d17a}',
            '\u{e0080}',
            '\u{e01f0}',
            '\u{e0fff}',
        ],
    ),
    (
        "variation selector",
        &[
            '\u{fe00}',
            '\u{fe01}',
            '\u{fe02}',
            '\u{fe03}',
            '\u{fe07}',
            '\u{fe0d}',
            '\u{fe0e}',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{e0120}',
            '\u{e01ef}',
            '\u{180b}',
            '\u{180d}',
            '\u{180f}',
        ],
    ),
    (
        "tag",
        &[
            '\u{e0000}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e0041}',
            '\u{e0061}',
            '\u{e007f}',
        ],
    ),
    (
        "noncharacter",
        &[
            '\u{fffe}',
            '\u{ffff}',
            '\u{fdd0}',
            '\u{fdef}',
            '\u{1fffe}',
            '\u{10ffff}',
        ],
    ),
];

/// Text, and what remains of it.
const CUT: &[(&str, &str, &str)] = &[
    (
        "a sentence in tags",
        "ok\u{e0049}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065}",
        "ok",
    ),
    (
        "tags behind a flag that is none of the three",
        "🏴\u{e0075}\u{e0073}\u{e0063}\u{e0061}\u{e007f}",
        "🏴",
    ),
    (
        "tags of a flag without its end",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}",
        "🏴",
    ),
    (
        "tags of a flag behind a letter",
        "x\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "x",
    ),
    (
        "more tags behind a flag",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\u{e0061}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    ),
    (
        "bytes in selectors behind an emoji",
        "😀\u{e0154}\u{e0158}\u{e0163}",
        "😀",
    ),
    (
        "two selectors behind an emoji",
        "❤\u{fe0f}\u{fe0f}",
        "❤\u{fe0f}",
    ),
    (
        "a selector of ideographs behind an emoji",
        "😀\u{e0100}",
        "😀",
    ),
    (
        "two selectors behind an ideograph",
        "葛\u{e0100}\u{e0101}",
        "葛\u{e0100}",
    ),
    ("a selector that no ideograph has", "葛\u{e01ef}", "葛"),
    ("a text selector behind a digit", "1\u{fe0e}", "1"),
    (
        "an emoji selector behind a digit without its key",
        "1\u{fe0f}x",
        "1x",
    ),
    (
        "reordered code",
        "if(admin\u{202e}\u{2066}// x\u{2069}\u{2066}",
        "if(admin// x",
    ),
    (
        "a file name that reads backwards",
        "report\u{202e}fdp.exe",
        "reportfdp.exe",
    ),
    (
        "letters of a word apart",
        "ig\u{200b}no\u{200b}re",
        "ignore",
    ),
    (
        "two joiners in an emoji",
        "👩\u{200d}\u{200d}💻",
        "👩\u{200d}💻",
    ),
    ("a joiner behind an emoji and nothing", "👩\u{200d}", "👩"),
    (
        "a joiner between an emoji and a letter",
        "👩\u{200d}x",
        "👩x",
    ),
    ("a joiner at the beginning", "\u{200d}x", "x"),
    (
        "a non-joiner between a letter and a blank",
        "می\u{200c} x",
        "می x",
    ),
    (
        "two non-joiners",
        "می\u{200c}\u{200c}خواهم",
        "می\u{200c}خواهم",
    ),
    ("a non-joiner in German", "Auf\u{200c}lage", "Auflage"),
    ("a soft hyphen in German", "Blut\u{ad}druck", "Blutdruck"),
    (
        "marks for the direction in Hebrew",
        "שלום\u{200f}!",
        "שלום!",
    ),
    (
        "marks for the direction in Arabic",
        "\u{202b}مرحبا\u{202c}",
        "مرحبا",
    ),
    ("a byte order mark in front", "\u{feff}x", "x"),
    (
        "five private-use characters",
        "x\u{e000}\u{e001}\u{e002}\u{e003}\u{e004}y",
        "xy",
    ),
    (
        "private use of plane 15 in a row",
        "\u{f0041}\u{f0042}\u{f0043}\u{f0044}\u{f0045}",
        "",
    ),
    ("a filler alone", "\u{3164}", ""),
    ("two Hangul fillers", "\u{115f}\u{1160}", ""),
    (
        "an escape that hides on terminals",
        "a\u{1b}[8mhidden\u{1b}[0m",
        "a[8mhidden[0m",
    ),
    (
        "a zero width space between Thai and Latin",
        "ก\u{200b}x",
        "กx",
    ),
    ("an annotation", "\u{fff9}a\u{fffa}b\u{fffb}", "ab"),
    (
        "a mix of everything",
        "a\u{200b}\u{202e}\u{e0041}\u{ad}\u{feff}b",
        "ab",
    ),
    (
        "nothing but hidden characters",
        "\u{200b}\u{2060}\u{feff}",
        "",
    ),
    ("hidden at both ends", "\u{2060}x\u{2060}", "x"),
    ("a vowel separator without its vowel", "ᠠ\u{180e}ᠨ", "ᠠᠨ"),
    (
        "a grapheme joiner behind a letter",
        "a\u{34f}\u{301}",
        "a\u{301}",
    ),
];

/// Text that stays as it is.
const KEPT: &[(&str, &str)] = &[
    ("ASCII", "Blood pressure 120/80 mmHg <b>&amp;</b>"),
    ("tab and line breaks", "a\tb\r\nc"),
    ("Latin with marks", "Zoë Åström, Nguyễn, Łódź, naïve"),
    ("letters and their marks apart", "e\u{301}o\u{308}"),
    ("Greek and Cyrillic", "Ελληνικά Кириллица"),
    ("Arabic", "ضغط الدم"),
    ("Persian with non-joiner", "می\u{200c}خواهم"),
    (
        "Persian plural behind a letter that joins to the right",
        "دارو\u{200c}ها",
    ),
    ("Persian with vowel marks", "مِ\u{200c}ی"),
    ("Arabic abbreviation with joiner", "ه\u{200d}"),
    ("Arabic number sign", "\u{600}١"),
    ("Syriac", "ܫܠܡܐ"),
    ("Hebrew with points", "שָׁלוֹם"),
    (
        "Hebrew with a grapheme joiner between marks",
        "ל\u{5b7}\u{34f}\u{5b4}",
    ),
    ("Hindi", "रक्तचाप"),
    ("Hindi with joiner", "क्\u{200d}ष"),
    ("Hindi with non-joiner", "क्\u{200c}ष"),
    ("Bengali with joiner before the virama", "র\u{200d}্য"),
    ("Malayalam chillu", "ന്\u{200d}"),
    ("Sinhala", "ශ්\u{200d}රී"),
    ("Kannada", "ರ\u{200d}್ಕ"),
    ("Tamil", "இரத்த அழுத்தம்"),
    ("Thai", "ความดันโลหิต"),
    ("Thai with zero width space", "ความ\u{200b}ดัน"),
    ("Khmer with zero width space", "ឈាម\u{200b}ខ្ពស់"),
    ("Myanmar with zero width space", "သွေး\u{200b}ပေါင်"),
    ("Lao", "ຄວາມດັນ"),
    ("Myanmar letter with a dot", "က\u{fe00}"),
    ("Tibetan", "ཁྲག་ཤེད"),
    ("Mongolian with selector", "ᠠ\u{180b}ᠨ"),
    ("Mongolian with separator", "ᠨ\u{180e}ᠠ"),
    ("Chinese", "血压，高"),
    ("Japanese", "血圧が高い"),
    ("a Japanese name with a variant", "葛\u{e0100}城"),
    (
        "a Japanese name with the last registered variant",
        "邉\u{e011f}",
    ),
    ("a compatibility variant", "海\u{fe00}"),
    ("Korean", "혈압"),
    ("old Korean with a filler for the vowel", "ᄒ\u{1160}"),
    ("old Korean with a filler for the consonant", "\u{115f}ᅡ"),
    ("emoji", "😀👍🏽"),
    ("emoji with selector", "❤\u{fe0f}☎\u{fe0e}"),
    ("key", "1\u{fe0f}\u{20e3}"),
    ("family", "👨\u{200d}👩\u{200d}👧"),
    ("profession with skin", "👩🏽\u{200d}⚕\u{fe0f}"),
    ("flag with a rainbow", "🏳\u{fe0f}\u{200d}🌈"),
    ("flag of a country", "🇨🇭"),
    (
        "flag of Scotland",
        "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    ),
    ("mathematical sign with a variant", "∩\u{fe00}"),
    ("signs", "≥ 5 µmol/L ± 10 % → ½ °C …"),
    (
        "blanks of other widths",
        "a\u{a0}b\u{202f}c\u{3000}d\u{2009}e",
    ),
    ("a name with a private-use character", "林\u{e001}"),
    (
        "four private-use characters",
        "\u{e000}\u{e001}\u{e002}\u{e003}",
    ),
    ("an unassigned character", "x\u{378}y"),
    ("replacement characters", "\u{fffd}\u{fffc}"),
    ("Cherokee, Ethiopic, N'Ko", "ᏣᎳᎩ አማርኛ ߒߞߏ"),
    ("Braille", "⠠⠃⠏\u{2800}"),
];

/// Name, text, and what remains of it.
fn cases() -> Vec<(String, String, String)> {
    let hidden = HIDDEN.iter().flat_map(|(kind, chars)| {
        chars.iter().map(move |char| {
            let name = format!("{kind} U+{:04X}", u32::from(*char));
            (name, format!("a{char}b"), "ab".to_owned())
        })
    });
    let cut = CUT
        .iter()
        .map(|(name, text, rest)| ((*name).to_owned(), (*text).to_owned(), (*rest).to_owned()));
    let kept = KEPT
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned(), (*text).to_owned()));
    hidden.chain(cut).chain(kept).collect()
}

fn flagging() -> Options {
    Options {
        on_invalid: OnInvalid::Flag,
        ..Options::default()
    }
}

/// A server whose patients have the texts of the cases as names.
async fn setting() -> Setting {
    Setting::start(flagging(), |_, target| {
        let id = target.rsplit('/').next().unwrap();
        let (_, text, _) = &cases()[id.parse::<usize>().unwrap()];
        let patient = json!({"resourceType": "Patient", "id": id, "name": [{"text": text}]});
        (200, patient.to_string())
    })
    .await
}

#[tokio::test]
async fn what_hides_is_removed_and_what_a_script_needs_stays() {
    let cases = cases();
    let setting = setting().await;
    for (id, (name, text, rest)) in cases.iter().enumerate() {
        let answer = setting
            .ok("read", json!({"type": "Patient", "id": id.to_string()}))
            .await;
        assert_eq!(answer["resource"]["name"][0]["text"], *rest, "{name}");
        let removed = text.chars().count() - rest.chars().count();
        let report = &answer["hiddenCharacters"];
        if removed == 0 {
            assert!(report.is_null(), "{name}: {report}");
        } else {
            assert_eq!(report["removed"], removed, "{name}");
            assert_eq!(report["at"], json!(["resource.name[0].text"]), "{name}");
            assert!(report["kept"].is_null(), "{name}");
        }
    }
    println!("text sanitizing: {} cases", cases.len());
    assert!(cases.len() >= WANTED);
}

#[tokio::test]
async fn the_report_names_the_kind() {
    let setting = setting().await;
    let kinds = HIDDEN
        .iter()
        .flat_map(|(kind, chars)| chars.iter().map(move |_| kind));
    for (id, kind) in kinds.enumerate() {
        let answer = setting
            .ok("read", json!({"type": "Patient", "id": id.to_string()}))
            .await;
        assert_eq!(answer["hiddenCharacters"]["kinds"], json!([kind]), "{id}");
    }
}

#[tokio::test]
async fn raw_json_is_the_same_document_and_its_text_shows_what_hides() {
    let setting = setting().await;
    for (id, (name, text, rest)) in cases().iter().enumerate() {
        let arguments = json!({"type": "Patient", "id": id.to_string(), "view": "raw"});
        let result = setting.call("read", arguments).await;
        let structured = result.structured_content.unwrap();
        assert_eq!(structured["resource"]["name"][0]["text"], *text, "{name}");
        let block = &result.content[0].as_text().unwrap().text;
        let document: Value = serde_json::from_str(block).unwrap();
        assert_eq!(document["name"][0]["text"], *text, "{name}");
        let hides = text != rest;
        assert!(!hides || !block.contains(text.as_str()), "{name}");
        let report = &structured["hiddenCharacters"];
        assert_eq!(report.is_object(), hides, "{name}");
        if hides {
            assert_eq!(report["at"], json!(["resource.name[0].text"]), "{name}");
            assert!(report["kept"].as_u64().unwrap() > 0 && report["removed"].is_null());
            let last = &result.content.last().unwrap().as_text().unwrap().text;
            assert!(last.contains("hiddenCharacters"), "{name}: {last}");
        }
    }
}
