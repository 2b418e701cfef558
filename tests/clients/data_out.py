"""What leaves Stockbook, read by the tools of others: files by DuckDB, streams of a real Redis, records of the
topics by the schemas that the service publishes. The files are in a folder and in a bucket.

data_out.py COMMAND_URL QUERY_URL KAFKA_BROKERS QUERY_SERVICE REDIS_SERVER S3_GATEWAY GOLDEN_EVENTS WORK
"""

import concurrent.futures
import copy
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import duckdb
import jsonschema_rs
import redis
import requests

COMMAND, QUERY, BROKERS, QUERY_SERVICE, REDIS_SERVER, S3_GATEWAY, GOLDEN, WORK = sys.argv[1:]
# How exports reach the bucket, once it is there.
BUCKET = {}
# Events in the log before it is exported, events of a file, and how often an export is killed.
EVENTS, FILE_EVENTS, KILLS = (10_000_000, 50_000, 20) if os.environ.get("STOCKBOOK_SIZE") == "full" else (0, 500, 3)
FIGURES = ["on_hand", "reserved", "allocated", "incoming", "waiting", "version"]
ASYNCAPI = "node_modules/@asyncapi/specs/schemas/3.0.0.json"


def get(url, **parameters):
    answer = requests.get(url, params=parameters, timeout=60)
    answer.raise_for_status()
    return answer


def service(*arguments):
    environment = {"COMMAND_URL": COMMAND, "NO_COLOR": "1", "PATH": "/usr/bin:/bin", **BUCKET}
    return subprocess.Popen([QUERY_SERVICE, *map(str, arguments)], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def done(*arguments):
    process = service(*arguments)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    return said


# Said in clear, and in personal data, by this many commands.
CLEAR, SEALED, MARKED = "said-in-clear-31c7", "said-in-a-box-8f20", 50


def post(path, body):
    answer = requests.post(f"{COMMAND}{path}", json=body, timeout=60)
    assert answer.status_code < 300, answer.text
    return answer.json()


def record_marks():
    """Commands with a mark in clear and another in personal data; the ids of their events."""
    requests.put(f"{COMMAND}/v1/items/MARKED", json={}, timeout=60)
    requests.put(f"{COMMAND}/v1/locations/MARKS", json={}, timeout=60)
    ids = []
    for number in range(MARKED):
        lines = [{"sku": "MARKED", "location": "MARKS", "quantity": 1}]
        personal = {"subject": f"subject-{number}", "data": {"name": f"{SEALED} {number}"}}
        done = post("/v1/receipts", {"lines": lines, "note": f"{CLEAR} {number}", "personal": personal})
        ids += [event["id"] for event in done["events"]]
    return ids


def redact_marks(ids):
    post("/v1/redactions", {"events": ids, "members": ["note"], "reason": "request"})


def expect_marks(where, texts, in_clear):
    """The mark in clear so often, as a control, and never the one in personal data."""
    texts = list(texts)
    counts = [sum(mark in text for text in texts) for mark in (CLEAR, SEALED)]
    assert counts == [in_clear, 0], (where, counts)
    print(f"{where}: {in_clear} marks in clear, none of personal data")


def killed(*arguments, within=0.4):
    """Runs it and kills it at any moment of this time."""
    process = service(*arguments)
    time.sleep(random.uniform(0.02, within))
    process.send_signal(signal.SIGKILL)
    process.communicate()


def heads():
    return {lane["lane"]: lane for lane in get(f"{COMMAND}/v1/lanes").json()["items"]}


def token(of):
    return ",".join(f"{lane}:{head['position']}" for lane, head in sorted(of.items()))


def fill():
    """Brings the log to its size: receipts of a thousand items each."""
    if not EVENTS:
        return
    skus = [f"LAKE-{number}" for number in range(10_000)]
    requests.put(f"{COMMAND}/v1/locations/MAIN", json={}, timeout=60)
    for first in range(0, len(skus), 1_000):
        items = [{"type": "register_item", "sku": sku} for sku in skus[first:first + 1_000]]
        post("/v1/batches", {"mode": "independent", "commands": items})

    def receive(number):
        first = number * 1_000 % len(skus)
        lines = [{"sku": sku, "location": "MAIN", "quantity": 1} for sku in skus[first:first + 1_000]]
        post("/v1/receipts", {"lines": lines})

    missing = EVENTS - sum(head["position"] for head in heads().values())
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        for _ in clients.map(receive, range(-(-missing // 1_000))):
            pass


def measure():
    """How fast an export is that nobody kills, how much memory it takes, and how long its rows are."""
    folder = pathlib.Path(WORK) / "measured"
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    done("export", "--to", folder, "--file-events", FILE_EVENTS)
    took, memory = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    events = sum(row[1] for row in read_files(folder))
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    print(f"size {EVENTS or 'small'}: {events} events exported in {took:.1f} s, {events / took:,.0f} a second; "
          f"{size / events:.0f} bytes an event; at most {memory >> 10} MiB of memory in any child")
    shutil.rmtree(folder)


def check_folder():
    folder = pathlib.Path(WORK) / "lake"
    shutil.rmtree(folder, ignore_errors=True)
    check_files(folder, folder)


def check_redaction():
    """The files that are there lose what is removed from events, and hold personal data only sealed."""
    folder = pathlib.Path(WORK) / "lake"
    ids = record_marks()
    done("export", "--to", folder, "--file-events", FILE_EVENTS)
    expect_marks("files", texts_of_files(folder), MARKED)
    redact_marks(ids)
    done("export", "--to", folder, "--file-events", FILE_EVENTS)
    expect_marks("files after a redaction", texts_of_files(folder), 0)
    check_files(folder, folder)


def check_bucket():
    """A gateway that speaks S3 and keeps each object as a file, where DuckDB reads it without the gateway."""
    root, port = pathlib.Path(WORK) / "s3", free_port()
    shutil.rmtree(root, ignore_errors=True)
    (root / "lake").mkdir(parents=True)
    BUCKET.update(AWS_ENDPOINT=f"http://127.0.0.1:{port}", AWS_ALLOW_HTTP="true", AWS_REGION="us-east-1",
                  AWS_ACCESS_KEY_ID="tester", AWS_SECRET_ACCESS_KEY="a-secret-of-the-test")
    keys = {"ROOT_ACCESS_KEY": BUCKET["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": BUCKET["AWS_SECRET_ACCESS_KEY"]}
    gateway = subprocess.Popen([S3_GATEWAY, "--port", f"127.0.0.1:{port}", "posix", "--nometa", root], env=keys,
                               stdout=subprocess.DEVNULL)
    try:
        until("the gateway answers", lambda: requests.get(BUCKET["AWS_ENDPOINT"], timeout=5), requests.ConnectionError)
        check_files("s3://lake/stockbook", root / "lake/stockbook")
        names = {path.relative_to(root) for path in root.rglob("*.parquet")}
        done("export", "--to", "s3://lake/stockbook", "--file-events", FILE_EVENTS)
        assert names <= {path.relative_to(root) for path in root.rglob("*.parquet")}, names
    finally:
        gateway.kill()
        gateway.wait()


def until(what, ask, not_yet):
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask()
        except not_yet as error:
            assert time.monotonic() < deadline, f"{what}: {error}"
            time.sleep(0.05)


def check_files(place, folder):
    """Exports to the place, whose files are in the folder."""
    for _ in range(KILLS):
        killed("export", "--to", place, "--file-events", FILE_EVENTS, within=10 if EVENTS else 0.4)
    # What has a deadline may be recorded meanwhile.
    for _ in range(20):
        done("export", "--to", place, "--file-events", FILE_EVENTS)
        rows, lake = read_files(folder), figures_of_files(folder)
        stock = figures_of_api({lane: {"position": last} for lane, _, _, _, last in rows})
        if all(head["position"] == dict((row[0], row[4]) for row in rows).get(lane, 0) for lane, head in heads().items()):
            break
    print(done("export", "--verify", place).splitlines()[-1])
    for lane, count, distinct, first, last in rows:
        assert count == distinct == last - first + 1 and first == 1, (lane, count, distinct, first, last)
    different = [key for key in stock.keys() | lake.keys() if stock.get(key) != lake.get(key)]
    assert stock and not different, different[:5]
    print(f"{sum(row[1] for row in rows)} events once each, {len(stock)} stocks by DuckDB as by the API")


def read_files(folder):
    return duckdb.sql(f"""select lane, count(*), count(distinct position), min(position), max(position)
                          from '{folder}/*/*.parquet' group by lane""").fetchall()


def texts_of_files(folder):
    """Every column of every row, as DuckDB decodes them."""
    return (str(row) for row in duckdb.sql(f"select * from '{folder}/*/*.parquet'").fetchall())


def figures_of_files(folder):
    columns = ", ".join(f"arg_max({figure}, version)" for figure in FIGURES)
    rows = duckdb.sql(f"""select sku, location, {columns} from '{folder}/*/*.parquet'
                          where on_hand is not null group by sku, location""").fetchall()
    return {(sku, location): list(figures) for sku, location, *figures in rows}


def figures_of_api(positions):
    stock, cursor = {}, None
    while True:
        parameters = {"min_position": token(positions), "wait_ms": 30000, "limit": 200}
        page = get(f"{QUERY}/v1/stock", **parameters, **({"cursor": cursor} if cursor else {})).json()
        for one in page["items"]:
            stock[one["sku"], one["location"]] = [one[figure] for figure in FIGURES]
        cursor = page["next_cursor"]
        if not cursor:
            return stock


def texts_of_streams(client):
    return (str(entry) for name in client.scan_iter("inventory:*") for entry in client.xrange(name))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def check_redis():
    port = free_port()
    server = subprocess.Popen([REDIS_SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"],
                              stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port, decode_responses=True)
    try:
        until("redis-server answers", client.ping, redis.ConnectionError)
        sink = ["sink", "redis", "--url", f"redis://127.0.0.1:{port}", "--log-page-events", "100"]
        for _ in range(3):
            killed(*sink)
        before = heads()
        done(*sink, "--once")
        expect_streams(client, before)
        client.flushall()
        before = heads()
        both = [service(*sink, "--once") for _ in range(2)]
        said = [process.communicate(timeout=120)[0] for process in both]
        assert all(process.returncode == 0 for process in both), said
        counts = [tuple(map(int, re.search(r"(\d+) events copied, (\d+) refused", text).groups())) for text in said]
        events = expect_streams(client, before)
        assert sum(copied for copied, _ in counts) == events, (counts, events)
        ids = record_marks()
        done(*sink, "--once")
        expect_marks("Redis", texts_of_streams(client), MARKED)
        redact_marks(ids)
        done(*sink, "--once")
        expect_marks("Redis after a redaction", texts_of_streams(client), 0)
        client.delete("inventory:0")
        client.xadd("inventory:0", {"foreign": "entry"}, id="7-7")
        process = service(*sink, "--once")
        said, _ = process.communicate(timeout=60)
        assert process.returncode != 0 and "inventory:0 is not of this sink" in said, said
        print(f"{events} entries of Redis as in the log; two sinks: {counts} (copied, refused)")
    finally:
        server.kill()
        server.wait()


def expect_streams(client, heads):
    """Every stream has the ids 1-0, 2-0, … of its lane, up to a head and its chain, and versions that grow."""
    events = 0
    for lane, head in heads.items():
        entries, last = client.xrange(f"inventory:{lane}"), head["position"]
        assert len(entries) >= last, (lane, len(entries), last)
        assert [id for id, _ in entries] == [f"{nth}-0" for nth in range(1, len(entries) + 1)], lane
        versions = {}
        for _, fields in entries:
            versions[fields["key"]] = versions.get(fields["key"], 0) + 1
            assert int(fields["version"]) == versions[fields["key"]], fields
        assert not last or entries[last - 1][1]["chain"] == head["chain"], lane
        events += len(entries)
    return events


class Schemas:
    def __init__(self):
        self.known = {}

    def of(self, path):
        if path not in self.known:
            schema = get(f"{COMMAND}{path}").json()
            self.known[path] = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
        return self.known[path]


def records(topic):
    """Each record of a topic: headers and value."""
    run = ["kcat", "-b", BROKERS, "-t", topic, "-C", "-e", "-q", "-J", "-o", "beginning"]
    for line in subprocess.run(run, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines():
        record = json.loads(line)
        headers = record.get("headers") or []
        yield dict(zip(headers[::2], headers[1::2])), json.loads(record["payload"])


def check_descriptions():
    described = get(f"{COMMAND}/asyncapi.json").json()
    meta = json.loads(pathlib.Path(ASYNCAPI).read_text())
    jsonschema_rs.Draft7Validator(meta).validate(described)
    schemas, counts = Schemas(), {}
    components = described["components"]
    for channel in described["channels"].values():
        messages = [components["messages"][name] for name in channel["messages"]]
        headers_of = {
            message["name"]: jsonschema_rs.Draft7Validator({**message["headers"], "components": components})
            for message in messages
        }
        counts[channel["address"]] = 0
        for headers, value in records(channel["address"]):
            named = [m for m in messages if m["title"] == f"{headers.get('ce_type')} version {headers.get('schema_version')}"]
            possible = named or messages
            fits = [m for m in possible if schemas.of(m["payload"]["schema"]["$ref"]).is_valid(value)]
            assert fits, (channel["address"], headers, value, [e.message for e in schemas.of(possible[0]["payload"]["schema"]["$ref"]).iter_errors(value)])
            for message in fits[:1]:
                headers_of[message["name"]].validate(headers)
            counts[channel["address"]] += 1
    assert counts["inventory.events"] > 100, counts
    print(f"records that are as described: {counts}")


def check_schemas():
    """Every golden event fits its schema, and none that lacks a member or has a foreign one."""
    schemas, count, refused = Schemas(), 0, 0
    for path in sorted(pathlib.Path(GOLDEN).glob("*.json")):
        name, version = re.fullmatch(r"(.+)\.v(\d+)\.json", path.name).groups()
        name = "".join(word.capitalize() for word in name.split("_"))
        schema = schemas.of(f"/schemas/{name}/{version}")
        event = json.loads(path.read_text())
        assert schema.is_valid(event), (path.name, [error.message for error in schema.iter_errors(event)])
        count += 1
        for changed in spoilt(event):
            refused += not schema.is_valid(changed)
        assert not schema.is_valid({**event, "foreign": 1}), path.name
    assert count > 100 and refused > count, (count, refused)
    print(f"{count} golden events fit their schemas; {refused} spoilt ones do not")


def spoilt(event):
    for member in event:
        without = copy.deepcopy(event)
        del without[member]
        yield without


check_schemas()
fill()
measure()
check_folder()
if not EVENTS:
    check_redaction()
    check_bucket()
    check_redis()
    check_descriptions()
