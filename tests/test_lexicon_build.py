"""`lasca lexicon build`: against a local OpenAI-compatible server, and against a model that a plugin of llm brings."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.host.plugins import discover

llm = pytest.importorskip("llm", reason="the client for language models is not installed (lasca-lexicons[build])")
pytest.importorskip("lasca_lexicons.builder", reason="lasca-lexicons is not installed")

Lasca = Callable[..., tuple[int, str, str]]
DATE = "2026-11-22"
FACE = "smile\tthe corners of the mouth are drawn up\nfrown\nnod\nblink\n\n# a comment\ngaze.x\n"


def description(feature: str, form: str = "text") -> str:
    """A description that keeps all the rules."""
    return f"a {form} kind of {feature.replace('_', ' ')} that is seen in the face, calm and content"


def obedient(schema: dict[str, Any]) -> dict[str, Any]:
    """The answer that a schema asks for, as a good model gives it."""
    fixed = {
        "template": "The person shows {cues}.",
        "empty": "Nothing stands out.",
        "varying": "marked variation in {cue}",
    }
    answer: dict[str, Any] = {}
    for name, wanted in schema["properties"].items():
        forms = wanted.get("properties", {})
        if name in fixed:
            answer[name] = fixed[name]
        elif "high" in forms:
            answer[name] = {end: [f"{end} {name} {number}" for number in range(6)] for end in ("high", "low")}
        else:
            answer[name] = {form: description(name, form) for form in forms} if forms else description(name)
    return answer


class Server:
    """An OpenAI-compatible server. ``requests`` are the bodies it was sent; ``replies`` says how it answers the next
    ones: a dict is the answer's content, a string its text, a pair (status, headers) a failure. Then it obeys."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.replies: list[Any] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append(body)
                reply = outer.replies.pop(0) if outer.replies else outer.obey(body)
                if isinstance(reply, tuple):
                    self.send(reply[0], {"error": {"message": "the server says no"}}, reply[1])
                    return
                text = reply if isinstance(reply, str) else json.dumps(reply)
                self.send(200, completion(body["model"], text), {})

            def send(self, status: int, content: dict[str, Any], headers: dict[str, str]) -> None:
                raw = json.dumps(content).encode()
                self.send_response(status)
                # The client library would otherwise wait and try again by itself, in real time.
                for key, value in {"content-type": "application/json", "x-should-retry": "false", **headers}.items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def obey(self, body: dict[str, Any]) -> dict[str, Any]:
        return obedient(schema_of(body))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema that a request holds the model to."""
    found: dict[str, Any] = body["response_format"]["json_schema"]["schema"]
    return found


def prompt_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def completion(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": f"{model}-2026-11-01",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, known to llm as the models ``local``, ``plain`` (no schemas) and ``locked`` (needs a key)."""
    running = Server()
    folder = tmp_path / "llm"
    folder.mkdir()
    models = [
        {"model_id": "local", "supports_schema": True},
        {"model_id": "plain"},
        {"model_id": "locked", "supports_schema": True, "api_key_name": "nobody-has-this-key"},
    ]
    # JSON is YAML, too.
    entries = [{"model_name": model["model_id"], "api_base": running.url, **model} for model in models]
    (folder / "extra-openai-models.yaml").write_text(json.dumps(entries))
    monkeypatch.setenv("LLM_USER_PATH", str(folder))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield running
    running.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the builder would have waited between tries."""
    from lasca_lexicons.builder import model

    waited: list[float] = []
    opened = model.open_model

    def open_model(*arguments: Any) -> Any:
        found = opened(*arguments)
        found.sleep = waited.append
        return found

    monkeypatch.setattr(model, "open_model", open_model)
    return waited


@pytest.fixture
def lasca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], waits: list[float]
) -> Lasca:
    """Call ``lasca lexicon`` in this process, in a folder with the features of a face: exit code, stdout, stderr."""
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LASCA_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "face.txt").write_text(FACE)
    registry = discover()

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lasca", "lexicon", *map(str, arguments)])
        settings = Settings()
        settings.registry = registry
        code = cli._guarded(settings)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def build(lasca: Lasca, *arguments: object, model: str = "local") -> tuple[int, str, str]:
    """Build the lexicon ``mine`` of the five features of the face, two a request."""
    fixed = ("--features", "face.txt", "--model", model, "--date", DATE, "--batch-size", 2)
    return lasca("build", "mine", *fixed, *arguments)


def message(err: str) -> str:
    """The one error line on stderr."""
    (line,) = (line for line in err.splitlines() if line.startswith("lasca: ") and "warning" not in line)
    assert "Traceback" not in err
    return line


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- what is built ----------------------------------------------------------------------------------------------------


def test_a_built_lexicon_holds_every_feature_its_sentence_and_its_anchors(
    lasca: Lasca, server: Server, tmp_path: Path
) -> None:
    code, out, err = build(lasca)
    assert code == 0, err
    assert "asked 4 times: 400 tokens in, 80 out" in out
    code, out, _ = lasca("show", "./mine", "--json")
    found = json.loads(out)
    assert found["entries"] == {name: description(name) for name in ("smile", "frown", "nod", "blink", "gaze.x")}
    assert found["template"] == "The person shows {cues}."
    assert found["anchors"]["valence"]["high"] == [f"high valence {number}" for number in range(6)]
    assert set(found["anchors"]) == {"valence", "arousal"}


def test_its_provenance_says_who_was_asked_what_and_how(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("Describe features.\n")
    build(lasca, "--prompt", "other.md", "--parameter", "seed=7", "--license", "CC0-1.0")
    header = tomllib.loads((tmp_path / "mine" / "lexicon.toml").read_text())
    said = header["provenance"]
    assert header["license"] == "CC0-1.0"
    assert said["model"] == "local"
    assert said["answered_as"] == "local-2026-11-01"
    assert said["date"] == DATE
    assert said["parameters"] == {"temperature": 0.0, "seed": 7, "batch_size": 2}
    assert said["prompt_sha256"] == hashlib.sha256(b"Describe features.\n").hexdigest()
    assert (tmp_path / "mine" / said["prompt"]).read_text() == "Describe features.\n"
    assert said["llm"]
    assert said["reviewer"].startswith("none yet")


def test_every_request_is_held_to_a_schema_at_temperature_0(lasca: Lasca, server: Server) -> None:
    build(lasca)
    frame, *batches = server.requests
    assert list(schema_of(frame)["properties"]) == ["template", "empty", "varying", "valence", "arousal"]
    assert [list(schema_of(body)["properties"]) for body in batches] == [
        ["smile", "frown"],
        ["nod", "blink"],
        ["gaze.x"],
    ]
    for body in server.requests:
        assert body["temperature"] == 0
        assert schema_of(body)["required"] == list(schema_of(body)["properties"])
        assert schema_of(body)["additionalProperties"] is False
    assert '- "smile": the corners of the mouth are drawn up' in prompt_of(batches[0])
    assert "The person shows {cues}." in prompt_of(batches[0])


def test_a_lexicon_built_twice_is_byte_identical(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    assert build(lasca, "--output", "one", "--language", "en", "--language", "el")[0] == 0
    assert build(lasca, "--output", "two", "--language", "en", "--language", "el")[0] == 0
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert set(one) >= {"mine/lexicon.toml", "mine/en/face.toml", "mine/el/face.toml", "mine/el/anchors.toml"}
    assert one == two


def test_the_date_is_that_of_the_source_where_it_is_set(
    lasca: Lasca, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    lasca("build", "old", "--features", "face.txt", "--model", "local")
    assert tomllib.loads((tmp_path / "old" / "lexicon.toml").read_text())["provenance"]["date"] == "1970-01-02"


def test_each_language_gets_its_own_sentence_and_is_asked_for_by_name(
    lasca: Lasca, server: Server, tmp_path: Path
) -> None:
    assert build(lasca, "--language", "zh", "--language", "xx-Latn", "--target", "dominance")[0] == 0
    header = tomllib.loads((tmp_path / "mine" / "lexicon.toml").read_text())
    assert list(header["languages"]) == ["zh", "xx-Latn"]
    assert header["languages"]["zh"]["separator"] == "；"
    assert "Chinese (zh)" in prompt_of(server.requests[0])
    assert "BCP 47 tag xx-Latn" in prompt_of(server.requests[4])
    assert list(tomllib.loads((tmp_path / "mine" / "zh" / "anchors.toml").read_text())) == ["dominance"]


def test_signed_features_of_an_extractor_get_words_for_both_directions(
    lasca: Lasca, server: Server, tmp_path: Path
) -> None:
    pytest.importorskip("lasca_audio", reason="the extractor mfcc is not installed")
    code, _, err = lasca("build", "voice", "--features", "mfcc", "--model", "local", "--batch-size", 15)
    assert code == 0, err
    code, out, _ = lasca("show", "./voice", "--json")
    found = json.loads(out)
    assert len(found["entries"]) == 15
    assert found["forms"]["mfcc_3"] == {form: description("mfcc_3", form) for form in ("raised", "lowered")}
    build(lasca, "--forms", "all", "--output", "all")
    assert len(json.loads(lasca("show", "./all/mine", "--json")[1])["forms"]) == 5


def test_a_model_that_knows_no_schemas_is_shown_the_schema(lasca: Lasca, server: Server) -> None:
    def obey(body: dict[str, Any]) -> Any:
        assert "response_format" not in body
        schema = json.loads(prompt_of(body).rpartition("JSON Schema:")[2])
        return f"Here you are:\n```json\n{json.dumps(obedient(schema))}\n```"

    server.obey = obey  # type: ignore[method-assign]
    code, _, err = build(lasca, model="plain")
    assert code == 0, err


def test_a_model_plugin_of_llm_builds_too(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    class Parrot(llm.Model):  # type: ignore[misc]
        model_id = "parrot"
        supports_schema = True

        def execute(self, prompt: Any, stream: Any, response: Any, conversation: Any) -> Iterator[str]:
            yield json.dumps(obedient(prompt.schema))

    class Plugin:
        @llm.hookimpl
        def register_models(self, register: Callable[..., None]) -> None:
            register(Parrot())

    plugin = Plugin()
    llm.plugins.load_plugins()
    llm.plugins.pm.register(plugin)
    try:
        code, _, err = build(lasca, model="parrot")
    finally:
        llm.plugins.pm.unregister(plugin)
    assert code == 0, err
    said = tomllib.loads((tmp_path / "mine" / "lexicon.toml").read_text())["provenance"]
    assert (said["model"], said["answered_as"]) == ("parrot", "parrot")
    assert said["parameters"] == {"batch_size": 2}  # it has no temperature


# --- stopping and going on --------------------------------------------------------------------------------------------


def test_a_build_that_was_killed_half_way_goes_on_where_it_was(
    lasca: Lasca, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lasca_lexicons.builder.model import LanguageModel

    assert build(lasca, "--output", "whole")[0] == 0
    asked = LanguageModel.ask
    server.requests.clear()

    def killed(self: LanguageModel, prompt: str, schema: Any) -> Any:
        if len(server.requests) == 2:
            raise KeyboardInterrupt
        return asked(self, prompt, schema)

    monkeypatch.setattr(LanguageModel, "ask", killed)
    assert build(lasca)[0] == 130
    assert not (tmp_path / "mine").exists()
    assert [body["model"] for body in server.requests] == ["local", "local"]
    monkeypatch.setattr(LanguageModel, "ask", asked)
    assert build(lasca)[0] == 0
    assert [list(schema_of(body)["properties"]) for body in server.requests[2:]] == [["nod", "blink"], ["gaze.x"]]
    assert contents(tmp_path / "mine") == contents(tmp_path / "whole" / "mine")


def test_answers_are_only_taken_for_the_very_same_question(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    build(lasca)
    assert len(server.requests) == 4
    (tmp_path / "mine").rename(tmp_path / "first")
    code, out, _ = build(lasca)
    assert code == 0
    assert "asked 0 times" in out
    (tmp_path / "mine").rename(tmp_path / "second")
    build(lasca, "--parameter", "seed=1")
    assert len(server.requests) == 8


def test_an_existing_lexicon_is_never_overwritten(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    build(lasca)
    before = contents(tmp_path / "mine")
    code, _, err = build(lasca, "--parameter", "seed=1")
    assert code == 2
    assert "mine exists already, and a lexicon is never overwritten" in message(err)
    assert contents(tmp_path / "mine") == before
    assert len(server.requests) == 4


def test_a_damaged_file_of_answers_is_named(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.answers.json").write_text("{")
    code, _, err = build(lasca)
    assert code == 2
    assert "mine.answers.json is not a file of answers" in message(err)


def test_a_dry_run_shows_prompts_and_cost_and_sends_nothing(lasca: Lasca, server: Server, tmp_path: Path) -> None:
    code, out, err = build(lasca, "--dry-run", model="locked")
    assert code == 0, err
    assert server.requests == []
    assert "=== request 1 of 4: en, sentence, anchors" in out
    assert "=== request 2 of 4: en, face: smile to frown" in out
    assert "You are a researcher in affective computing" in out
    assert '"additionalProperties": false' in out
    estimate = out.splitlines()[-1]
    assert estimate.startswith("4 requests, 0 answered before; about ")
    assert not (tmp_path / "mine").exists()
    build(lasca)
    assert build(lasca, "--dry-run")[1].startswith("0 requests, 4 answered before; about 0 tokens in and 0 out")


# --- answers that break the rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"frown": description("frown")}, '"smile" is missing'),
        ({"smile": "a smile", "frown": description("frown")}, '"smile" its description has 2 words; write 8 to 20'),
        ({"smile": "very " * 21, "frown": description("frown")}, "has 21 words; write 8 to 20"),
        ({"smile": f"{description('smile')}\nand more", "frown": description("frown")}, "has more than one line"),
        ({"smile": f"{description('smile')} **now**", "frown": description("frown")}, "contains '*'"),
        ({"smile": f"{description('smile')}.", "frown": description("frown")}, "ends in a full stop"),
        ({"smile": 3, "frown": description("frown")}, "is no text"),
        ({"smile": " ", "frown": description("frown")}, "is empty"),
    ],
)
def test_a_faulty_description_is_asked_for_again_with_the_fault_named(
    lasca: Lasca, server: Server, fault: dict[str, Any], words: str
) -> None:
    server.replies = [obedient({"properties": frame_properties()}), fault]
    code, _, err = build(lasca)
    assert code == 0, err
    again = server.requests[2]
    assert list(schema_of(again)["properties"]) == ["smile"]
    assert words in prompt_of(again)


def frame_properties() -> dict[str, Any]:
    ends = {"properties": {"high": {}, "low": {}}}
    return {"template": {}, "empty": {}, "varying": {}, "valence": ends, "arousal": ends}


def test_equal_descriptions_of_two_features_are_asked_for_again(lasca: Lasca, server: Server) -> None:
    first = {"smile": description("face"), "frown": description("frown")}
    second = {"nod": description("face").upper(), "blink": description("blink")}
    server.replies = [obedient({"properties": frame_properties()}), first, second]
    code, _, err = build(lasca)
    assert code == 0, err
    assert list(schema_of(server.requests[3])["properties"]) == ["nod"]
    assert "is also that of another feature" in prompt_of(server.requests[3])


def test_a_faulty_sentence_is_asked_for_again(lasca: Lasca, server: Server) -> None:
    bad = obedient({"properties": frame_properties()})
    bad |= {"template": "The person shows {features}.", "valence": {"high": ["joy"], "low": ["grief", "woe"]}}
    server.replies = [bad]
    code, _, err = build(lasca)
    assert code == 0, err
    assert list(schema_of(server.requests[1])["properties"]) == ["template", "valence"]
    assert '"template" must contain {cues}' in prompt_of(server.requests[1])


def test_an_answer_that_is_no_json_is_asked_for_again_and_given_up_in_one_sentence(
    lasca: Lasca, server: Server, tmp_path: Path
) -> None:
    server.replies = [obedient({"properties": frame_properties()}), *["I would rather not."] * 5]
    code, _, err = build(lasca)
    assert code == 2
    said = message(err)
    assert "--model local was asked 5 times and still breaks the rules: the answer for 'smile' is missing" in said
    assert "mine.answers.json, and the same command goes on from there" in said
    assert not (tmp_path / "mine").exists()
    server.requests.clear()
    assert build(lasca)[0] == 0
    assert len(server.requests) == 3  # the sentence was kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a raised brow", 3),
        ("the person's wide-open eyes", 4),
        ("l’œil gauche, à demi fermé", 5),
        ("左眉降低，愤怒或紧张", 5),
        ("降低 brows 左", 3),
        ("1.5 kHz", 3),
        ("… –", 0),
    ],
)
def test_words_are_counted_as_people_do_and_two_characters_of_chinese_as_one(text: str, words: int) -> None:
    from lasca_lexicons.builder.requests import count_words

    assert count_words(text) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure!\n```json\n{"a": {"b": 2}}\n```\nDone.', {"a": {"b": 2}}),
        ('["a"]', None),
        ('{"a": ', None),
        ("", None),
    ],
)
def test_the_object_in_an_answer_is_found_in_what_stands_around_it(text: str, found: dict[str, Any] | None) -> None:
    from lasca_lexicons.builder.model import json_object

    assert json_object(text) == found


# --- servers that fail ------------------------------------------------------------------------------------------------


def test_a_busy_server_is_asked_again_after_the_time_it_names(lasca: Lasca, server: Server, waits: list[float]) -> None:
    server.replies = [(429, {"retry-after": "7"}), (500, {}), (503, {})]
    code, _, err = build(lasca)
    assert code == 0, err
    assert waits == [7.0, 4.0, 8.0]
    assert "local: " in err
    assert "trying again" in err


@pytest.mark.parametrize("status", [429, 500, 502])
def test_a_server_that_goes_on_failing_is_given_up_in_one_sentence(
    lasca: Lasca, server: Server, waits: list[float], status: int
) -> None:
    server.replies = [(status, {})] * 5
    code, _, err = build(lasca)
    assert code == 2
    assert "--model local has failed 5 times, at last so: " in message(err)
    assert "nothing was answered yet" in message(err)
    assert waits == [2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_request_is_not_repeated(lasca: Lasca, server: Server, waits: list[float], status: int) -> None:
    server.replies = [(status, {})]
    code, _, err = build(lasca)
    assert code == 2
    assert "the request was refused: " in message(err)
    assert "the server says no" in message(err)
    assert (waits, len(server.requests)) == ([], 1)


def test_a_server_that_is_not_there_is_one_sentence(
    lasca: Lasca, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.close()
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client library tries again by itself
    code, _, err = build(lasca)
    assert code == 2
    assert "--model local has failed 5 times, at last so: Connection error" in message(err)


# --- mistakes before anything is sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "locall"], "--model locall: llm knows no such model; did you mean local"),
        (["--model", "locked"], "--model locked: No key found - add one using 'llm keys set nobody-has-this-key'"),
        (["--features", "gone.txt"], "gone.txt does not exist; --features takes an extractor's name or a file"),
        (["--features", "gazee"], "there is no extractor 'gazee'"),
        (["--features", "face.txt", "--features", "face.txt"], "the feature 'smile' stands in face and face"),
        (["--features", "twice.txt"], "twice.txt, line 3: 'a' stands there twice"),
        (["--features", "empty.txt"], "empty.txt names no feature"),
        (["--features", "latin.txt"], "latin.txt is not UTF-8"),
        (["--parameter", "temprature=0"], "--parameter temprature: not a parameter of model local (known: "),
        (["--parameter", "temperature=hot"], "--parameter temperature: not a parameter of model local (Input should"),
        (["--parameter", "seed"], "--parameter seed: expected KEY=VALUE"),
        (["--prompt", "gone.md"], "--prompt gone.md does not exist"),
        (["--language", "el gr"], "--language 'el gr': must be a BCP 47 tag"),
        (["--date", "tomorrow"], "--date tomorrow: expected a day"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_sent(
    lasca: Lasca, server: Server, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "twice.txt").write_text("a\nb\na\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "latin.txt").write_bytes("über".encode("latin-1"))
    given = {option for option in arguments if option.startswith("--")}
    usual = {"--features": "face.txt", "--model": "local"}
    rest = [text for option, value in usual.items() if option not in given for text in (option, value)]
    code, _, err = lasca("build", "mine", *arguments, *rest)
    assert code == 2
    assert words in message(err)
    assert server.requests == []


def test_an_id_that_is_no_name_is_refused(lasca: Lasca, server: Server) -> None:
    code, _, err = lasca("build", "../mine", "--features", "face.txt", "--model", "local")
    assert code == 2
    assert "ID '../mine': must be lower-case letters" in message(err)


def test_without_the_client_the_command_that_installs_it_is_named(
    lasca: Lasca, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llm", None)
    code, _, err = build(lasca)
    assert code == 2
    assert "install it with: pip install 'lasca-lexicons[build]'" in message(err)


def test_the_common_options_may_stand_after_the_command_of_a_plugin(lasca: Lasca, server: Server) -> None:
    code, _, err = build(lasca, "--quiet")
    assert (code, err) == (0, "")


def test_the_command_is_listed_among_those_of_the_group(lasca: Lasca) -> None:
    code, out, _ = lasca("--help")
    assert code == 0
    assert "build    Make a new lexicon with a language model." in out
