//! Language tags ([RFC 5646](https://www.rfc-editor.org/rfc/rfc5646), section 2.1).

/// The languages of ISO 639-1, those that were withdrawn among them. Its list is
/// closed: languages that it lacks have three letters.
const TWO_LETTERS: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce \
    ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha \
    he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn \
    ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng \
    nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm \
    sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo \
    xh yi yo za zh zu";

/// By the first letter, the second letters as bits.
const SECOND_LETTERS: [u32; 26] = second_letters();

const fn second_letters() -> [u32; 26] {
    let text = TWO_LETTERS.as_bytes();
    let mut letters = [0; 26];
    let mut at = 0;
    while at + 1 < text.len() {
        letters[(text[at] - b'a') as usize] |= 1 << (text[at + 1] - b'a');
        at += 3;
    }
    letters
}

/// Tags from before the grammar that it does not cover.
const IRREGULAR: [&str; 17] = [
    "en-GB-oed",
    "i-ami",
    "i-bnn",
    "i-default",
    "i-enochian",
    "i-hak",
    "i-klingon",
    "i-lux",
    "i-mingo",
    "i-navajo",
    "i-pwn",
    "i-tao",
    "i-tay",
    "i-tsu",
    "sgn-BE-FR",
    "sgn-BE-NL",
    "sgn-CH-DE",
];

/// Whether a text is a well-formed language tag, in any case. Of the registry
/// only the languages of two letters are looked up.
pub fn is_language(tag: &str) -> bool {
    is_regular(tag)
        || IRREGULAR
            .iter()
            .any(|known| known.eq_ignore_ascii_case(tag))
}

fn is_regular(tag: &str) -> bool {
    let mut subtags = tag.split('-').peekable();
    if !subtags.clone().all(is_subtag) {
        return false;
    }
    let Some(language) = subtags.next() else {
        return false;
    };
    if language.eq_ignore_ascii_case("x") {
        return subtags.peek().is_some();
    }
    if !is_primary(language) {
        return false;
    }
    let mut take = |accept: fn(&str) -> bool| subtags.next_if(|subtag| accept(subtag)).is_some();
    // Extended languages, script, region, variants: in this order.
    let _ = take(is_extended) && take(is_extended) && take(is_extended);
    let _ = take(|subtag| subtag.len() == 4 && alphabetic(subtag));
    let _ = take(is_region);
    while take(is_variant) {}
    extensions(subtags)
}

/// What follows a singleton: an extension, or after `x` private use.
fn extensions<'a>(subtags: impl Iterator<Item = &'a str>) -> bool {
    let mut subtags = subtags.peekable();
    while let Some(singleton) = subtags.next() {
        if singleton.len() != 1 {
            return false;
        }
        if singleton.eq_ignore_ascii_case("x") {
            return subtags.next().is_some();
        }
        let mut count = 0;
        while subtags.next_if(|subtag| subtag.len() > 1).is_some() {
            count += 1;
        }
        if count == 0 {
            return false;
        }
    }
    true
}

fn is_subtag(subtag: &str) -> bool {
    matches!(subtag.len(), 1..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Languages of four letters are reserved, and none of more was registered.
fn is_primary(subtag: &str) -> bool {
    match subtag.as_bytes() {
        [first, second] => {
            let letter = |byte: &u8| byte.to_ascii_lowercase().wrapping_sub(b'a');
            let seconds = SECOND_LETTERS.get(usize::from(letter(first)));
            letter(second) < 26 && seconds.is_some_and(|seconds| seconds & 1 << letter(second) != 0)
        }
        _ => subtag.len() == 3 && alphabetic(subtag),
    }
}

fn is_extended(subtag: &str) -> bool {
    subtag.len() == 3 && alphabetic(subtag)
}

fn is_region(subtag: &str) -> bool {
    match subtag.len() {
        2 => alphabetic(subtag),
        3 => subtag.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

fn is_variant(subtag: &str) -> bool {
    let digit = subtag
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit());
    subtag.len() >= 5 || subtag.len() == 4 && digit
}

fn alphabetic(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_well_formed_tags() {
        for tag in [
            "en",
            "EN",
            "de-CH",
            "zh-Hant-TW",
            "sl-rozaj-biske",
            "de-CH-1901",
            "es-419",
            "cmn",
            "zh-cmn-Hans-CN",
            "en-US-u-islamcal",
            "de-x-private",
            "x-whatever",
            "i-klingon",
            "sgn-be-fr",
            "gsw",
            "hy-Latn-IT-arevela",
            "nl-NL",
        ] {
            assert!(is_language(tag), "{tag}");
        }
    }

    #[test]
    fn refuses_others() {
        for tag in [
            "",
            "e",
            "english",
            "xx",
            "en_US",
            "en-",
            "-en",
            "en--US",
            "en-US-",
            "en-USA-x",
            "x",
            "en-x",
            "en-a",
            "de-419-DE",
            "a-DE",
            "en us",
            "ünd",
            "12",
            "en-123456789",
            "e1",
        ] {
            assert!(!is_language(tag), "{tag}");
        }
    }
}
