"""tools/fetch.sh keeps only what its checksums allow, and goes on where it stopped. No network: a server of our own."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import bv
import pytest

MODEL = "bert-large-uncased"


def model_files():
    """Files that agree with each other as BERT-Large's do, without its weights."""
    header = json.dumps(
        {
            "bert.weight": {"dtype": "F32", "shape": [335_141_888], "data_offsets": [0, 64]},
            "cls.bias": {"dtype": "F32", "shape": [7], "data_offsets": [64, 92]},
        }
    ).encode()
    config = {"model_type": "bert", "hidden_size": 1024, "num_hidden_layers": 24, "vocab_size": 30522}
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": b'{"do_lower_case": true}',
        "vocab.txt": b"".join(b"word%d\n" % i for i in range(30522)),
        "model.safetensors": len(header).to_bytes(8, "little") + header + bytes(92),
    }


class Hub:
    """Serves files as huggingface.co does: a git blob's name as ETag, of weights their SHA-256 as X-Linked-ETag."""

    def __init__(self):
        self.files = model_files()
        self.sums = {}  # instead of the true ones
        self.served = []  # (name, first byte) of every download
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, with_body):
                name = self.path.rsplit("/", 1)[-1]
                if name not in hub.files:
                    self.send_error(404)
                    return
                content = hub.files[name]
                begin = (
                    int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                    if "Range" in self.headers
                    else 0
                )
                if begin >= len(content) > 0:
                    self.send_error(416)
                    return
                self.send_response(206 if begin else 200)
                if begin:
                    self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content) - begin))
                linked = name == "model.safetensors"
                true_sum = (
                    hashlib.sha256(content) if linked else hashlib.sha1(b"blob %d\0" % len(content) + content)
                )
                self.send_header(
                    "X-Linked-ETag" if linked else "ETag", f'"{hub.sums.get(name, true_sum.hexdigest())}"'
                )
                self.end_headers()
                if with_body:
                    hub.served.append((name, begin))
                    self.wfile.write(content[begin:])

            def do_GET(self):
                self.answer(True)

            def do_HEAD(self):
                self.answer(False)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fetch(self, output, check=True):
        url = f"http://127.0.0.1:{self.server.server_port}/resolve/main"
        return bv.run_command(
            [bv.SOURCE / "tools" / "fetch.sh", "--output", output, MODEL],
            check=check,
            env={"BV_HUB_URL": url, "no_proxy": "*", "NO_PROXY": "*"},
        )


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def test_all_files_of_the_model_arrive_whole_and_are_not_fetched_twice(hub, tmp_path):
    hub.fetch(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / MODEL).iterdir()} == hub.files
    hub.served.clear()
    hub.fetch(tmp_path)
    assert hub.served == []


def test_an_interrupted_download_goes_on_where_it_stopped(hub, tmp_path):
    (tmp_path / MODEL).mkdir()
    (tmp_path / MODEL / "vocab.txt.part").write_bytes(hub.files["vocab.txt"][:1000])
    hub.fetch(tmp_path)
    assert ("vocab.txt", 1000) in hub.served
    assert (tmp_path / MODEL / "vocab.txt").read_bytes() == hub.files["vocab.txt"]


def test_a_wrong_rest_of_the_right_length_is_fetched_anew(hub, tmp_path):
    (tmp_path / MODEL).mkdir()
    (tmp_path / MODEL / "vocab.txt.part").write_bytes(bytes(len(hub.files["vocab.txt"])))
    hub.fetch(tmp_path)
    assert (tmp_path / MODEL / "vocab.txt").read_bytes() == hub.files["vocab.txt"]


@pytest.mark.parametrize("name, wrong", [("config.json", "0" * 40), ("model.safetensors", "0" * 64)])
def test_content_of_another_checksum_is_refused_and_removed(hub, tmp_path, name, wrong):
    hub.sums[name] = wrong
    result = hub.fetch(tmp_path, check=False)
    assert result.rc == 1
    assert f"{name} does not have the checksum {wrong}" in result.stderr
    assert [path for path in (tmp_path / MODEL).iterdir() if path.name.startswith(name)] == []


def test_a_file_that_is_there_and_wrong_is_left_alone(hub, tmp_path):
    (tmp_path / MODEL).mkdir()
    (tmp_path / MODEL / "config.json").write_text("mine", encoding="utf-8")
    result = hub.fetch(tmp_path, check=False)
    assert result.rc == 1
    assert "config.json is there, but its checksum is not" in result.stderr
    assert (tmp_path / MODEL / "config.json").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "name, content, complaint",
    [
        ("vocab.txt", b"one\ntwo\n", "vocab.txt: 2 lines, not 30,522"),
        (
            "config.json",
            b'{"model_type": "bert", "hidden_size": 768}',
            "hidden_size is 768, BERT-Large's is 1024",
        ),
        ("model.safetensors", bytes([2, 0, 0, 0, 0, 0, 0, 0]) + b"{}", "model.safetensors: holds no tensors"),
    ],
)
def test_files_that_are_not_bert_large_are_refused(hub, tmp_path, name, content, complaint):
    hub.files[name] = content
    result = hub.fetch(tmp_path, check=False)
    assert result.rc == 1
    assert complaint in result.stderr


def test_squad_of_another_checksum_is_refused(tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "train-v2.0.json").write_text('{"data": []}', encoding="utf-8")
    result = bv.run_command(
        [bv.SOURCE / "tools" / "fetch.sh", "--output", tmp_path / "out", "squad"],
        check=False,
        env={"BV_SQUAD_URL": mirror.as_uri()},
    )
    assert result.rc == 1
    assert (
        "does not have the checksum 68dcfbb971bd3e96d5b46c7177b16c1a4e7d4bdef19fb204502738552dede002"
        in result.stderr
    )
    assert list((tmp_path / "out" / "squad").iterdir()) == []


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([], "--output is missing"),
        (["--output"], "--output wants a folder"),
        (["--output", "x", "glue"], "unknown argument 'glue'"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(tmp_path, arguments, complaint):
    result = bv.run_command([bv.SOURCE / "tools" / "fetch.sh", *arguments], check=False, cwd=tmp_path)
    assert result.rc == 2
    assert complaint in result.stderr
    assert list(tmp_path.iterdir()) == []
