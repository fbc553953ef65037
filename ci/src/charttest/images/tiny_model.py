"""Writes a model small enough to serve on any machine: 2 layers, random weights, a tokenizer of its own.

Run by the Python of vLLM's environment, which has transformers: `python tiny_model.py FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

# What a template must have to serve chats: the messages in their order, and whose turn it is.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
TEXT = [
    "The quick brown fox jumps over the lazy dog.",
    "one two three four five six seven eight nine ten",
] * 50
VOCABULARY = 394
POSITIONS = 8192


def write(folder: str) -> None:
    """Write configuration, weights, tokenizer and chat template."""
    import tokenizers  # noqa: PLC0415 - only vLLM's environment has these
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=SPECIAL[0], pad_token=SPECIAL[0], chat_template=CHAT_TEMPLATE
    ).save_pretrained(folder)
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,  # vLLM's attention on CPU knows no smaller one
            max_position_embeddings=POSITIONS,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    ).save_pretrained(folder)
    for file in Path(folder).iterdir():
        file.chmod(0o644)  # weights are written for their owner alone, but the user of a pod is another


if __name__ == "__main__":
    write(sys.argv[1])
