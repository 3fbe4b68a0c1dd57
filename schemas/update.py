#!/usr/bin/env python3
"""Makes the files of this folder from the official FHIR R4 definitions.

    python3 schemas/update.py            fetch the package with `npm pack`, write all files
    python3 schemas/update.py FILE.tgz   the same from a package that is already here
    python3 schemas/update.py --check    compare the files with SHA256SUMS; writes nothing

The source is the npm package hl7.fhir.r4.examples 4.0.1 (CC0-1.0), pinned by its
sha1. README.md says what each file holds and what is left out. Needs Python 3.11
and nothing else; the same package always gives the same bytes.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "hl7.fhir.r4.examples@4.0.1"
PACKAGE_SHA1 = "537ea7db3f3c7b3575fe2eaa7808bad21261cca3"
FOLDER = pathlib.Path(__file__).resolve().parent
CHECKSUMS = FOLDER / "SHA256SUMS"
SIZE_LIMIT = 10_000_000

STRUCTURE_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
BEST_PRACTICE = STRUCTURE_DEFINITION + "elementdefinition-bestpractice"
BINDING_NAME = STRUCTURE_DEFINITION + "elementdefinition-bindingName"
EXPLICIT_TYPE_NAME = STRUCTURE_DEFINITION + "structuredefinition-explicit-type-name"
FHIR_TYPE = STRUCTURE_DEFINITION + "structuredefinition-fhir-type"
MAX_VALUE_SET = STRUCTURE_DEFINITION + "elementdefinition-maxValueSet"
REGEX = STRUCTURE_DEFINITION + "regex"
TOO_COSTLY = STRUCTURE_DEFINITION + "valueset-toocostly"
UNCLOSED = STRUCTURE_DEFINITION + "valueset-unclosed"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."

EXTENSION_SLICING = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}

# What the structure files leave out of every element, said once at their top.
INHERITED = {
    "constraint": {
        "every element but resources and what XML writes as an attribute": ["ele-1"],
        "every element of type Extension": ["ext-1"],
    },
    "slicing": {"every element of type Extension that repeats": EXTENSION_SLICING},
}

# Required value sets whose codes no list in the package can give.
OPEN_VALUE_SETS = {
    "http://hl7.org/fhir/ValueSet/all-distance-units": "every UCUM unit of length: a grammar, no list",
    "http://hl7.org/fhir/ValueSet/all-languages": "every BCP 47 language tag: a grammar, no list",
    "http://hl7.org/fhir/ValueSet/all-time-units": "every UCUM unit of time: a grammar, no list",
    "http://hl7.org/fhir/ValueSet/mimetypes": "every BCP 13 media type: its expansion is empty (too costly)",
    "http://hl7.org/fhir/ValueSet/ucum-units": "every UCUM unit: its expansion stops after 1,000 of them (too costly)",
    "http://loinc.org/vs/LL379-9": "a LOINC answer list, which is not part of the package",
    "http://www.rfc-editor.org/bcp/bcp13.txt": "every BCP 13 media type: a document, no value set",
}


def main():
    parser = argparse.ArgumentParser(description="Makes schemas/ from the package " + PACKAGE)
    parser.add_argument("package", nargs="?", type=pathlib.Path, help="the package file (.tgz)")
    parser.add_argument("--check", action="store_true", help="only compare the files with SHA256SUMS")
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(check_files())
    if arguments.package:
        update(arguments.package)
    else:
        with tempfile.TemporaryDirectory() as folder:
            update(fetch(pathlib.Path(folder)))


def fetch(folder):
    """Fetches the package into the folder and returns the path of its file."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.tgz"))


def update(path):
    """Writes all files of this folder from the package file."""
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    if sha1 != PACKAGE_SHA1:
        sys.exit(f"{path}: expected the sha1 {PACKAGE_SHA1} of {PACKAGE}, found {sha1}")
    package = Package(path)
    types, resources, profiles, extensions = package.structures()
    structures = types + resources + profiles + extensions
    required = required_value_sets(types + resources)
    parameters = package.resources("searchParams", "SearchParameter")
    check_counts(types, resources, parameters)

    files = {
        "types.json": structure_file(types),
        "resources.json": structure_file(resources),
        "profiles.json": structure_file(profiles),
        "extensions.json": structure_file(extensions),
        "constraints.json": flat_file("constraints", constraints(structures)),
        "search-parameters.json": flat_file("searchParameters", map(search_parameter, parameters)),
        "value-sets-required.json": flat_file(
            "valueSets", expanded_value_sets(package, required), split="systems"
        ),
        "code-systems.json": flat_file(
            "codeSystems", map(code_system, package.terminology("CodeSystem")), split="concept"
        ),
        "value-sets.json": flat_file("valueSets", map(value_set, package.terminology("ValueSet"))),
        "compartments.json": flat_file(
            "compartments",
            map(compartment, package.resources("resources", "CompartmentDefinition")),
            split="resources",
        ),
    }
    size = sum(len(text.encode()) for text in files.values())
    if size > SIZE_LIMIT:
        sys.exit(f"the files have {size} bytes together, more than {SIZE_LIMIT}")
    sums = ""
    for name, text in sorted(files.items()):
        (FOLDER / name).write_bytes(text.encode())
        sums += f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n"
        print(f"{len(text.encode()):>9} bytes  {name}")
    CHECKSUMS.write_text(sums)
    print(f"{size:>9} bytes  together")


def check_files():
    """Returns 0 if the files are those of SHA256SUMS, else 1 after saying which are not."""
    bad = 0
    for line in CHECKSUMS.read_text().splitlines():
        expected, name = line.split()
        path = FOLDER / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
        if found != expected:
            print(f"{name}: expected sha256 {expected}, found {found}", file=sys.stderr)
            bad = 1
    return bad


class Package:
    """The collection bundles of the package file."""

    def __init__(self, path):
        self.bundles = {}
        with tarfile.open(path) as archive:
            for member in archive:
                match = re.fullmatch(r"package/Bundle-([A-Za-z0-9-]+)\.json", member.name)
                if match and match[1] in (
                    "types", "resources", "profiles-others", "extensions", "searchParams",
                    "valuesets", "v2-valuesets", "v3-valuesets", "valueset-expansions",
                ):
                    bundle = json.load(archive.extractfile(member))
                    self.bundles[match[1]] = [entry["resource"] for entry in bundle["entry"]]

    def resources(self, bundle, resource_type):
        """The resources of one type in one bundle, in its order."""
        return [r for r in self.bundles[bundle] if r["resourceType"] == resource_type]

    def structures(self):
        """The StructureDefinitions: types, resources, profiles, extensions.

        Bundle-resources has 149 of them; MetadataResource is left out because it is
        a logical model that no instance has.
        """
        return [
            [s for s in self.resources(bundle, "StructureDefinition") if s["kind"] != "logical"]
            for bundle in ("types", "resources", "profiles-others", "extensions")
        ]

    def terminology(self, resource_type):
        """The code systems or value sets of FHIR itself, HL7 v2 and HL7 v3."""
        return [
            resource
            for bundle in ("valuesets", "v2-valuesets", "v3-valuesets")
            for resource in self.resources(bundle, resource_type)
        ]


def check_counts(types, resources, parameters):
    """Stops when the definitions are not the ones that we know."""
    base = [s for s in types + resources if s.get("derivation") != "constraint"]
    kinds = collections.Counter("abstract" if s["abstract"] else s["kind"] for s in base)
    bodies = [s["snapshot"]["element"] for s in base if s["kind"] != "primitive-type"]
    elements = [element for body in bodies for element in body[1:]]
    parents = {
        (body[0]["path"], element["path"].rpartition(".")[0]) for body in bodies for element in body[1:]
    }
    required = [
        canonical(e["binding"]["valueSet"])
        for body in bodies
        for e in body
        if e.get("binding", {}).get("strength") == "required"
    ]
    found = {
        "concrete resources": kinds["resource"],
        "primitive types": kinds["primitive-type"],
        "concrete complex types": kinds["complex-type"],
        "abstract types": kinds["abstract"],
        "types that are not primitive": len(bodies),
        "elements": len(elements),
        "elements with children": sum(root != parent for root, parent in parents),
        "choice elements": sum(e["path"].endswith("[x]") for e in elements),
        "required bindings": len(required),
        "required value sets": len(set(required)),
        "search parameters": len(parameters),
    }
    expected = dict(zip(found, (146, 20, 39, 4, 189, 7406, 473, 186, 366, 224, 1375)))
    if found != expected:
        sys.exit(f"the package has unexpected counts:\nexpected {expected}\nfound    {found}")


# Structures


def structure_file(structures):
    """A file of structures: a header line for each, then one element a line."""
    lines = [f'{{"inherited":{dump(INHERITED)},\n"structures":[']
    for index, structure in enumerate(structures):
        header = dump(structure_header(structure))[:-1]
        elements = ",\n".join(dump(element(structure, e)) for e in structure["snapshot"]["element"])
        comma = "," if index + 1 < len(structures) else ""
        lines.append(f'{header},"elements":[\n{elements}\n]}}{comma}')
    lines.append("]}\n")
    return "\n".join(lines)


def structure_header(structure):
    header = {key: structure[key] for key in ("name", "url", "kind", "abstract", "type")}
    return header | present(
        base=structure.get("baseDefinition"),
        derivation=structure.get("derivation"),
        context=structure.get("context"),
        contextInvariant=structure.get("contextInvariant"),
    )


def element(structure, source):
    """One element of a snapshot, without what it inherits and without prose."""
    result = {"path": source["path"]}
    if source["id"] != source["path"]:
        result["id"] = source["id"]
    result |= present(
        sliceName=source.get("sliceName"),
        slicing=slicing(source),
        short=one_line(source["short"]),
    )
    result |= {"min": source["min"], "max": source["max"]}
    own = {"path": source["path"], "min": source["min"], "max": source["max"]}
    if structure.get("derivation") == "constraint" and source["base"] != own:
        result["base"] = source["base"]
    types = source.get("type", [])
    result |= present(
        type=[element_type(t) for t in types],
        regex=next((r for t in types if (r := extension_value(t, REGEX))), None),
        contentReference=source.get("contentReference"),
        explicitTypeName=extension_value(source, EXPLICIT_TYPE_NAME),
        binding=binding(source.get("binding")),
        constraint=own_constraints(structure, source),
        isModifier=source["isModifier"],
        isSummary=source.get("isSummary"),
        mustSupport=source.get("mustSupport"),
        maxLength=source.get("maxLength"),
    )
    for key, value in source.items():
        if re.match(r"(fixed|pattern|minValue|maxValue)[A-Z]", key):
            result[key] = value
    return result


def slicing(source):
    """The slicing of an element, unless it is the one that all extensions have."""
    result = dict(source.get("slicing", {}))
    result.pop("description", None)
    if result.get("ordered") is False:
        del result["ordered"]
    return None if result == EXTENSION_SLICING else result


def element_type(source):
    """A type of an element; `system` is the FHIRPath type that stands for a FHIR one."""
    code = source["code"]
    system = code if code.startswith(SYSTEM_TYPE) else None
    return present(
        code=extension_value(source, FHIR_TYPE) if system else code,
        system=system,
        targets=[t.removeprefix(STRUCTURE_DEFINITION) for t in source.get("targetProfile", [])],
        profiles=source.get("profile"),
        aggregation=source.get("aggregation"),
        versioning=source.get("versioning"),
    )


def binding(source):
    if source is None:
        return None
    return present(
        strength=source["strength"],
        valueSet=canonical(source.get("valueSet")),
        name=extension_value(source, BINDING_NAME),
        maxValueSet=canonical(extension_value(source, MAX_VALUE_SET)),
    )


def own_constraints(structure, source):
    """The keys of the constraints, without those that INHERITED says once."""
    keys = [constraint["key"] for constraint in source.get("constraint", [])]
    codes = [t["code"] for t in source.get("type", [])]
    is_root = "." not in source["path"]
    is_attribute = any(code.startswith(SYSTEM_TYPE) for code in codes) or (
        structure["type"] == "Extension" and source["path"].endswith(".url")
    )
    inherited = []
    if not (is_attribute or codes == ["Resource"] or (is_root and structure["kind"] == "resource")):
        inherited.append("ele-1")
    if codes == ["Extension"] or source["path"] == "Extension":
        inherited.append("ext-1")
    if set(keys) & {"ele-1", "ext-1"} != set(inherited):
        sys.exit(f"{structure['url']} {source['id']}: expected the constraints {inherited}, found {keys}")
    return [key for key in keys if key not in inherited]


def constraints(structures):
    """Every constraint once; `structures` names its places where a key has two meanings."""
    found = collections.defaultdict(dict)
    for structure in structures:
        for source in structure["snapshot"]["element"]:
            for constraint in source.get("constraint", []):
                entry = present(
                    key=constraint["key"],
                    severity=constraint["severity"],
                    human=one_line(constraint["human"]),
                    expression=constraint["expression"],
                    bestPractice=extension_value(constraint, BEST_PRACTICE),
                )
                places = found[constraint["key"]].setdefault(dump(entry), (entry, []))[1]
                if structure["name"] not in places:
                    places.append(structure["name"])
    for key in sorted(found, key=natural_order):
        for entry, places in found[key].values():
            yield entry | ({"structures": places} if len(found[key]) > 1 else {})


# Search parameters and compartments


def search_parameter(source):
    texts = dict(re.findall(r"\* \[(\w+)\]\([^)]*\): *([^\r\n]*)", source["description"]))
    if len(source["base"]) > 1 and set(texts) != set(source["base"]):
        sys.exit(f"{source['url']}: a description for each of {source['base']} expected, found {texts}")
    if len(source["base"]) == 1:
        description = texts.get(source["base"][0], source["description"])
    return present(
        code=source["code"],
        url=source["url"],
        type=source["type"],
        base=source["base"],
        expression=source.get("expression"),
        target=source.get("target"),
        description=shortened(description) if len(source["base"]) == 1 else None,
        descriptions={base: shortened(texts[base]) for base in source["base"]}
        if len(source["base"]) > 1
        else None,
        comparator=source.get("comparator"),
        modifier=source.get("modifier"),
        component=source.get("component"),
        multipleOr=source.get("multipleOr"),
        multipleAnd=source.get("multipleAnd"),
    )


def compartment(source):
    return {
        "code": source["code"],
        "url": source["url"],
        "resources": {r["code"]: r["param"] for r in source["resource"] if "param" in r},
    }


# Terminology


def required_value_sets(structures):
    """URLs of the value sets that a code must be in, sorted."""
    urls = set()
    for structure in structures:
        for source in structure["snapshot"]["element"]:
            bound = source.get("binding", {})
            if bound.get("strength") == "required":
                urls.add(canonical(bound["valueSet"]))
            if maximum := extension_value(bound, MAX_VALUE_SET):
                urls.add(canonical(maximum))
    return sorted(urls)


def expanded_value_sets(package, urls):
    """The value sets with all their codes; `closed` is false where there is no full list."""
    named = {v["url"]: v for v in package.terminology("ValueSet")}
    expansions = {v["url"]: v for v in package.resources("valueset-expansions", "ValueSet")}
    for url in urls:
        source = expansions.get(url) or named.get(url, {})
        header = present(url=url, name=source.get("name"), title=source.get("title"))
        expansion = source.get("expansion", {})
        partial = any(extension_value(expansion, mark) for mark in (TOO_COSTLY, UNCLOSED))
        is_open = partial or not expansion.get("contains")
        if is_open != (url in OPEN_VALUE_SETS):
            sys.exit(f"{url}: OPEN_VALUE_SETS must have exactly the sets without a full expansion")
        if is_open:
            yield header | {"closed": False, "why": OPEN_VALUE_SETS[url]}
            continue
        systems = {}
        for concept in flattened(expansion["contains"]):
            if not concept.get("abstract"):
                systems.setdefault(concept["system"], []).append(concept["code"])
        yield header | {"closed": True, "systems": systems}


def flattened(contains):
    for concept in contains:
        yield concept
        yield from flattened(concept.get("contains", []))


def code_system(source):
    return present(
        url=source["url"],
        name=source["name"],
        content=source["content"],
        caseSensitive=source.get("caseSensitive"),
        hierarchyMeaning=source.get("hierarchyMeaning"),
        supplements=source.get("supplements"),
        valueSet=canonical(source.get("valueSet")),
        concept=[code_system_concept(c) for c in source.get("concept", [])],
    )


def code_system_concept(source):
    """A concept as an array: code, display, properties (object), children (array)."""
    result = [source["code"]]
    if "display" in source:
        result.append(one_line(source["display"]))
    properties = collections.defaultdict(list)
    for item in source.get("property", []):
        value = next(item[key] for key in item if key.startswith("value"))
        if item["code"] != "deprecationDate" and value is not False:
            properties[item["code"]].append(value)
    if properties:
        result.append({k: v if k == "child" else v[0] for k, v in properties.items()})
    if "concept" in source:
        result.append([code_system_concept(c) for c in source["concept"]])
    return result


def value_set(source):
    compose = source["compose"]
    return present(
        url=source["url"],
        name=source["name"],
        inactive=compose.get("inactive"),
        include=[value_set_part(part) for part in compose["include"]],
        exclude=[value_set_part(part) for part in compose.get("exclude", [])],
    )


def value_set_part(source):
    return present(
        system=source.get("system"),
        version=source.get("version"),
        concept=[concept["code"] for concept in source.get("concept", [])],
        filter=source.get("filter"),
        valueSet=[canonical(url) for url in source.get("valueSet", [])],
    )


# Text


def natural_order(key):
    """Sorts dom-2 before dom-10."""
    prefix, _, number = key.rpartition("-")
    return prefix, len(number), number


def flat_file(name, items, split=None):
    """A file with one item a line; `split` names a list or object with a line for each part."""
    return f'{{"{name}":[\n' + ",\n".join(item_text(item, split) for item in items) + "\n]}\n"


def item_text(item, split):
    if not item.get(split):
        return dump(item)
    parts = item[split]
    rest = dump({key: value for key, value in item.items() if key != split})[:-1]
    if isinstance(parts, dict):
        lines = ",\n".join(f"{dump(key)}:{dump(value)}" for key, value in parts.items())
        return f'{rest},"{split}":{{\n{lines}\n}}}}'
    return f'{rest},"{split}":[\n' + ",\n".join(map(dump, parts)) + "\n]}"


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def present(**members):
    """The members that say something: not None, not false, not empty."""
    return {k: v for k, v in members.items() if v is not None and v is not False and v != [] and v != {}}


def canonical(url):
    """A canonical URL without its version: the package has one version of everything."""
    return url and url.partition("|")[0]


def extension_value(source, url):
    for extension in source.get("extension", []):
        if extension["url"] == url:
            return next(extension[key] for key in extension if key.startswith("value"))
    return None


def one_line(text):
    return " ".join(text.split())


def shortened(text, limit=160):
    """One line of at most `limit` characters, cut between words."""
    text = one_line(text)
    if len(text) <= limit:
        return text
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(",;:.(") + "…"


if __name__ == "__main__":
    main()
