"""llama.cpp's server out of the wheel `xllamacpp`, in an environment of its own: MODEL.gguf PORT KEY ALIAS."""

import sys
import threading

import xllamacpp


def main(model, port, key, alias):
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames, params.port = ["127.0.0.1"], int(port)
    params.api_keys, params.model_alias = [key], {alias}
    params.n_ctx, params.n_parallel = 16384, 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # others wait for each other on a busy machine
    params.use_jinja, params.ui, params.offline = True, False, True
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


main(*sys.argv[1:])
