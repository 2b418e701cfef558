"""The chart reaches every setting of the services, and no other.

    settings.py PROGRAMS RENDERED…            compares what the programs in this folder know with the chart
    settings.py PROGRAMS RENDERED… --accept   and writes their settings into values.schema.json

RENDERED are manifests made with the chart's examples, which use all values that the chart has names of its own for.
"""

import json
import pathlib
import re
import subprocess
import sys

import yaml

SCHEMA = pathlib.Path(__file__).parents[2] / "deploy/helm/stockbook/values.schema.json"

# Container, program and subcommand, and the definition in the schema.
CONTAINERS = {
    "command-service": (["command-service", "serve"], "commandServiceSettings"),
    "query-service": (["query-service", "serve"], "queryServiceSettings"),
    "console": (["console", "serve"], "consoleSettings"),
    "migrate-write": (["command-service", "migrate"], None),
    "migrate-read": (["query-service", "migrate"], None),
    "create-topic": (["command-service", "create-topic"], None),
}

# What the chart has values of its own for, so that it cannot be said twice.
OWN = {
    "ALERTS_REPLICATION_FACTOR", "AUTH", "AUTH_AUDIENCE", "AUTH_ISSUER", "AUTH_JWKS_URL", "COMMAND_CA", "COMMAND_KEY",
    "COMMAND_URL", "KAFKA_BROKERS", "KAFKA_CA", "KAFKA_PASSWORD_FILE", "KAFKA_SASL_MECHANISM",
    "KAFKA_SECURITY_PROTOCOL", "KAFKA_USERNAME", "KEYS_DATABASE_URL", "LANES", "LISTEN", "MASTER_KEY_FILE",
    "MIGRATE_DATABASE_URL", "OIDC_CA", "OIDC_CLIENT_SECRET_FILE", "QUERY_URL", "READ_DATABASE_URL", "SERVICE_CA", "TLS", "TLS_CERT", "TLS_KEY", "TOPIC",
    "WRITE_DATABASE_URL",
}


def known(folder, command):
    """The settings of a subcommand: from the help, name → (explanation, is it secret)."""
    text = subprocess.run([folder / command[0], *command[1:], "--help"], capture_output=True, text=True, check=True)
    # A flag and its explanation, which may stand on lines below it.
    entries = re.split(r"\n\s+(?:-\w, )?--", text.stdout)[1:]
    found = {}
    for entry in (re.sub(r"\s+", " ", entry) for entry in entries):
        if setting := re.search(r"\[env: (\w+)(=?)", entry):
            found[setting[1]] = (entry, setting[2] == "")
    assert len(found) >= 3, f"{command} --help is not understood:\n{text.stdout}"
    return found


def described(entry):
    """The JSON Schema of a setting."""
    text = re.sub(r"^\S+( \[?<[^>]*>\]?\.*| \[=?<[^>]*>\])? ", "", entry.split(" [env:")[0])
    schema = {"description": text + "."}
    choices = re.search(r"\[possible values: ([^\]]*)\]", entry)
    default = re.search(r"\[default: ([^\]]*)\]", entry)
    if choices and set(choices[1].split(", ")) == {"true", "false"}:
        schema["type"] = "boolean"
    elif choices:
        schema["enum"] = choices[1].split(", ")
    elif default and default[1].isdigit():
        schema |= {"type": "integer", "minimum": 0}
    elif default and re.fullmatch(r"[0-9]+\.[0-9]+", default[1]):
        schema |= {"type": "number", "minimum": 0}
    else:
        schema |= {"type": ["string", "integer"], "minLength": 1}
    if default:
        schema["description"] += f" Default: {default[1]}."
    return schema


def rendered(paths):
    """For each container name the variables that it gets in any of the manifests."""
    found = {}
    for path in paths:
        for document in yaml.safe_load_all(pathlib.Path(path).read_text()):
            pod = ((document or {}).get("spec") or {}).get("template")
            for container in (pod or {"spec": {"containers": []}})["spec"].get("containers", []):
                for variable in container.get("env", []):
                    found.setdefault(container["name"], {}).setdefault(variable["name"], []).append(variable)
    return found


def main():
    folder, *paths = [argument for argument in sys.argv[1:] if argument != "--accept"]
    folder, variables = pathlib.Path(folder).resolve(), rendered(paths)
    schema = json.loads(SCHEMA.read_text())
    faults = []
    for container, (command, definition) in CONTAINERS.items():
        settings, given = known(folder, command), variables[container]
        wanted = {}
        if definition:
            wanted = {name: described(entry) for name, (entry, _) in sorted(settings.items()) if name not in OWN}
            if "--accept" in sys.argv:
                schema["$defs"][definition]["properties"] = wanted
            elif schema["$defs"][definition]["properties"] != wanted:
                faults.append(f"{container}: values.schema.json is not what the program says of its settings")
        for name in sorted(settings.keys() - wanted.keys() - given.keys()):
            faults.append(f"{container}: {name} cannot be reached")
        for name in sorted(given.keys() - settings.keys()):
            # A part of a database's URL.
            if not name.endswith("_URL_PASSWORD"):
                faults.append(f"{container}: gets {name}, which {' '.join(command)} does not know")
        for name, (_, is_secret) in settings.items():
            for variable in given.get(name, []) if is_secret else []:
                if "valueFrom" not in variable and f"$({name}_PASSWORD)" not in variable["value"]:
                    faults.append(f"{container}: {name} is a secret, and stands in the manifest")
    if "--accept" in sys.argv:
        SCHEMA.write_text(json.dumps(schema, indent=2) + "\n")
    if faults:
        print(*faults, "Accept what the programs say with: .ci/helm --accept", sep="\n")
        sys.exit(1)
    print(f"{len(CONTAINERS)} containers: every setting is reached")


main()
