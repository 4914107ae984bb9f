"""Write a model of half a megabyte with random weights: `python models.py hf FOLDER` or `python models.py gguf FILE`.

Its words are noise, but everything around them is real: tokens, sampling, grammars, logprobs, streams. The same seed
gives the same file. Run by the Python of the server's own environment, which has numpy and the format's library
(safetensors and tokenizers, or gguf).

How noise ends by itself: dimension 0 of the hidden state holds a constant that no layer writes to, so that column 0 of
the output matrix is a bias per token. Letters are likely, other printable characters less so, the end of the turn comes
about once in 25 tokens, and a tool call opens about once in 40.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

WIDTH, INNER, LAYERS, HEADS, CONTEXT, SEED = 64, 128, 2, 2, 4096, 7
START, END, CALL, CALL_END = "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"
MERGED = (("t", "h"), ("h", "e"))  # both formats want a merge or two
NEVER, CONSTANT, NORMED_CONSTANT = -20.0, 8.0, 5.0  # the norm brings the constant 8 to about 5

TEMPLATE = """\
{%- if tools %}<|im_start|>system
You can call:{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
Call as <tool_call>
{"name": NAME, "arguments": ARGUMENTS}
</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def byte_characters():
    """The character that stands for each byte in byte-level vocabularies: itself where it is printable."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def vocabulary():
    return [*byte_characters(), *("".join(pair) for pair in MERGED), START, END, CALL, CALL_END]


def biases():
    tokens = vocabulary()
    bias = np.full(len(tokens), NEVER)
    for byte in range(33, 127):
        bias[byte] = 0.0 if chr(byte).isalpha() and chr(byte).islower() else -2.0
    bias[32] = 1.5
    bias[tokens.index(END)], bias[tokens.index(CALL)] = 0.5, 0.0
    return bias


def weights():
    """Name (as in the Hugging Face format, without `.weight`) and array of every matrix and norm."""
    rng = np.random.default_rng(SEED)
    size = len(vocabulary())

    def noise(*shape, scale=None):
        return rng.standard_normal(shape) * (shape[-1] ** -0.5 if scale is None else scale)

    embedding, head = noise(size, WIDTH, scale=1.0), noise(size, WIDTH, scale=1 / 6)
    embedding[:, 0] = CONSTANT
    head[:, 0] = biases() / NORMED_CONSTANT
    arrays = {"model.embed_tokens": embedding, "model.norm": np.ones(WIDTH), "lm_head": head}
    for n in range(LAYERS):
        layer = {f"self_attn.{part}_proj": noise(WIDTH, WIDTH) for part in "qkvo"}
        layer |= {f"mlp.{part}_proj": noise(INNER, WIDTH) for part in ("gate", "up")}
        layer["mlp.down_proj"] = noise(WIDTH, INNER)
        for writes in ("self_attn.o_proj", "mlp.down_proj"):
            layer[writes][0] = 0.0
        layer |= {"input_layernorm": np.ones(WIDTH), "post_attention_layernorm": np.ones(WIDTH)}
        arrays |= {f"model.layers.{n}.{name}": array for name, array in layer.items()}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def write_hf(folder):
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"{name}.weight": array for name, array in weights().items()}, folder / "model.safetensors")
    tokens = vocabulary()
    special = {
        "bos_token_id": tokens.index(START),
        "eos_token_id": tokens.index(END),
        "pad_token_id": tokens.index(END),
    }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(tokens),
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": WIDTH // HEADS,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        **special,
    }
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    documents = {
        "config": config,
        "generation_config": {"do_sample": True, **special},
        "tokenizer_config": tokenizer,
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1), "utf-8")
    _tokenizer(tokens).save(str(folder / "tokenizer.json"))


def _tokenizer(tokens):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    plain = tokens[: -len((START, END, CALL, CALL_END))]
    tokenizer = Tokenizer(models.BPE({token: n for n, token in enumerate(plain)}, list(MERGED)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (START, END)])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in (CALL, CALL_END)])
    return tokenizer


_GGUF_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(file):
    from gguf import GGUFWriter, TokenType

    tokens = vocabulary()
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    control = len((START, END, CALL, CALL_END))
    writer.add_token_types([TokenType.NORMAL] * (len(tokens) - control) + [TokenType.CONTROL] * control)
    writer.add_token_merges([" ".join(pair) for pair in MERGED])
    writer.add_bos_token_id(tokens.index(START))
    writer.add_eos_token_id(tokens.index(END))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, array in weights().items():
        writer.add_tensor(f"{_gguf_name(name)}.weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_name(name):
    if name in _GGUF_NAMES:
        return _GGUF_NAMES[name]
    _, _, number, part = name.split(".", 3)
    return f"blk.{number}.{_GGUF_NAMES[part]}"


if __name__ == "__main__":
    {"hf": write_hf, "gguf": write_gguf}[sys.argv[1]](Path(sys.argv[2]))
