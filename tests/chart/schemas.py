"""Schemas of Kubernetes and of operators' resources, for kubeconform, in which nothing unknown is allowed.

    schemas.py TARGET KUBERNETES_FOLDER… -- CRD_FILE…

A KUBERNETES_FOLDER is that of a version, as the package kubernetes-validate has them.
"""

import json
import pathlib
import sys

import yaml


def strict(schema):
    """As the API server with strict field validation: members that are not described are refused."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # Below these are names, not words of JSON Schema.
    named = ("properties", "$defs")
    schema = {
        word: {name: strict(part) for name, part in value.items()} if word in named else strict(value)
        for word, value in schema.items()
    }
    if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
        schema.setdefault("additionalProperties", False)
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return schema


def main():
    end = sys.argv.index("--")
    target = pathlib.Path(sys.argv[1])
    for folder in map(pathlib.Path, sys.argv[2:end]):
        place = target / folder.name.removesuffix("-local")
        place.mkdir(parents=True)
        for file in folder.glob("*.json"):
            schema = strict(json.loads(file.read_text()))
            # They refer to each other by addresses; here by the files' names.
            schema.pop("$id", None)
            text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
            (place / file.name).write_text(text)
    crds = target / "crds"
    crds.mkdir()
    # Some enumerations have an entry that is a bare equals sign.
    yaml.SafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
    for file in map(pathlib.Path, sys.argv[end + 1 :]):
        crd = yaml.safe_load(file.read_text())["spec"]
        for version in crd["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # What every resource has.
            schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
            name = f"{crd['names']['kind']}-{crd['group'].split('.')[0]}-{version['name']}.json".lower()
            (crds / name).write_text(json.dumps(schema))


main()
