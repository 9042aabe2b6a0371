"""Trains the bundled model `demo-diffusion` and writes it as a plain transformers folder.

`python -m analysis.training.train_diffusion` trains it on the texts of `demo-lm`, from the weights
of `demo-lm` (as DiffuLLaMA does, arXiv 2410.17891) and with its tokenizer, by masked diffusion: a
share t of the tokens, drawn evenly from 0 to 1, is masked, and the cross-entropy at the masks is
weighted by 1/t (LLaDA, arXiv 2502.09992, equation 3).
"""

import argparse
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    LlamaConfig,
    LlamaForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerFast,
)
from transformers.models.llama.modeling_llama import LlamaDecoderLayer
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer

from analysis.training.canvas import Masked, MaskedLesson, masked_batches
from analysis.training.corpus import mixed, tales
from analysis.training.drills import pair_questions, shuffled_retelling, word_rounds
from analysis.training.gates_diffusion import FOLDER, numbers_filled
from analysis.training.journal import Entry, Journal, StepLoss, lessons_train, log_write
from analysis.training.train_lm import FOLDER as LM_FOLDER
from analysis.worlds.numbers import number_document, number_item, numbers_asked, sums, sums_in_words
from analysis.worlds.stories import chains, document

PEAK_RATE = 1e-3
CHECK_EVERY = 500
CHECK_ITEMS = 60
SHORT_STORIES = partial(document, max_questions=None, facts=(2, 4))
_EVERYTHING_RECKONED = mixed(
    (0.05, chains),
    (0.05, SHORT_STORIES),
    (0.08, document),
    (0.37, number_document),
    (0.2, numbers_asked),
    (0.1, sums),
    (0.1, sums_in_words),
    (0.05, tales),
)
# Answers about stories, and sums in words, had fallen behind the others.
_MORE_STORIES = mixed(
    (0.05, chains),
    (0.06, SHORT_STORIES),
    (0.12, document),
    (0.36, number_document),
    (0.17, numbers_asked),
    (0.08, sums),
    (0.12, sums_in_words),
    (0.04, tales),
)
# What a lesson teaches stays in the next one for a while: it is forgotten at once otherwise.
LESSONS = (
    MaskedLesson("words again", 900, 32, word_rounds, masked=(0.1, 0.5), mastered=0.9),
    MaskedLesson(
        "sentences again",
        600,
        32,
        mixed((0.3, word_rounds), (0.4, shuffled_retelling), (0.3, sums)),
        masked=(0.1, 0.8),
        mastered=0.95,
    ),
    MaskedLesson(
        "pairs and sums",
        600,
        32,
        mixed((0.2, shuffled_retelling), (0.4, pair_questions), (0.4, sums)),
        masked=(0.1, 0.8),
        mastered=0.97,
    ),
    MaskedLesson(
        "number stories",
        1500,
        32,
        mixed((0.15, pair_questions), (0.15, sums), (0.1, SHORT_STORIES), (0.6, number_document)),
    ),
    MaskedLesson(
        "reckoning",
        2000,
        32,
        mixed((0.45, sums), (0.45, number_document), (0.1, SHORT_STORIES)),
    ),
    MaskedLesson(
        "everything",
        7500,
        32,
        mixed(
            (0.07, chains),
            (0.07, SHORT_STORIES),
            (0.1, document),
            (0.48, number_document),
            (0.22, sums),
            (0.06, tales),
        ),
        rate=(1.0, 0.02),
    ),
    # By now texts are whole, and six in seven wrong answers have a wrong sum, mostly one in words.
    MaskedLesson(
        "all sums",
        1200,
        32,
        mixed((0.3, sums), (0.4, sums_in_words), (0.3, numbers_asked)),
        rate=(1.0, 0.5),
    ),
    MaskedLesson("reckoning on", 2800, 32, _EVERYTHING_RECKONED, rate=(0.8, 0.36)),
    MaskedLesson("settling", 1300, 32, _EVERYTHING_RECKONED, rate=(0.36, 0.01)),
    MaskedLesson("reckoning further", 3000, 32, _MORE_STORIES, rate=(0.8, 0.8)),
    MaskedLesson("settling again", 5000, 32, _MORE_STORIES, rate=(0.8, 0.19)),
    MaskedLesson("settling at last", 800, 32, _MORE_STORIES, rate=(0.19, 0.005)),
)


@torch.no_grad()
def model_from(lm: LlamaForCausalLM) -> ModernBertForMaskedLM:
    """A ModernBERT that starts with the weights of a Llama, and attends both ways.

    What each block writes is centred, so that ModernBERT's LayerNorm equals Llama's RMSNorm; the
    norms' gains are folded into the matrices behind them; shared keys and values are repeated for
    each head. Two things differ: embeddings enter normalised, and a head of one dense layer,
    which starts as the identity, precedes the output.
    """
    model: ModernBertForMaskedLM = ModernBertForMaskedLM._from_config(
        _config(lm.config), attn_implementation="eager"
    )
    width = lm.config.hidden_size
    centre_WW = torch.eye(width) - 1 / width
    embeddings_VW = lm.model.embed_tokens.weight @ centre_WW
    scale = embeddings_VW.norm(dim=1).median() / width**0.5
    model.model.embeddings.tok_embeddings.weight.copy_(embeddings_VW)
    model.model.embeddings.norm.weight.fill_(scale)
    for index, (old, new) in enumerate(zip(lm.model.layers, model.model.layers, strict=True)):
        _copy_block(old, new, centre_WW, entry_scale=scale if index == 0 else torch.ones(()))
    model.model.final_norm.weight.copy_(lm.model.norm.weight)
    model.head.dense.weight.copy_(torch.eye(width))
    return model


def _config(old: LlamaConfig) -> ModernBertConfig:
    config = ModernBertConfig(
        vocab_size=old.vocab_size,
        hidden_size=old.hidden_size,
        intermediate_size=old.intermediate_size,
        num_hidden_layers=old.num_hidden_layers,
        num_attention_heads=old.num_attention_heads,
        max_position_embeddings=old.max_position_embeddings,
        hidden_activation=old.hidden_act,
        layer_types=["full_attention"] * old.num_hidden_layers,
        rope_parameters={"full_attention": {**(old.rope_parameters or {})}},
        bos_token_id=old.bos_token_id,
        eos_token_id=old.eos_token_id,
        pad_token_id=old.pad_token_id,
    )
    config.update({"cls_token_id": old.bos_token_id, "sep_token_id": old.eos_token_id})
    config.masked_diffusion = True  # read by the catalog
    return config


def _copy_block(
    old: LlamaDecoderLayer,
    new: ModernBertEncoderLayer,
    centre_WW: Float[Tensor, "W W"],
    *,
    entry_scale: Float[Tensor, ""],
) -> None:
    """`entry_scale`: of the normalised input that the block gets in place of its own norm."""
    attention, mlp = old.self_attn, old.mlp
    repeats = attention.num_key_value_groups
    shared = [
        _repeated(part.weight, attention.head_dim, repeats)
        for part in (attention.k_proj, attention.v_proj)
    ]
    qkv_3WW = torch.cat([attention.q_proj.weight, *shared])
    new.attn.Wqkv.weight.copy_(qkv_3WW * old.input_layernorm.weight / entry_scale)
    new.attn.Wo.weight.copy_(centre_WW @ attention.o_proj.weight)
    gate_and_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    new.mlp.Wi.weight.copy_(gate_and_up * old.post_attention_layernorm.weight)
    new.mlp.Wo.weight.copy_(centre_WW @ mlp.down_proj.weight)


def _repeated(weight_KW: Tensor, head_dim: int, repeats: int) -> Tensor:
    heads = [head for head in weight_KW.split(head_dim) for _ in range(repeats)]
    return torch.cat(heads)


def loss_of(model: ModernBertForMaskedLM, batch: Masked) -> StepLoss:
    """The bound on a token's negative log-likelihood, in nats; share of masked tokens right."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden_BNW = model.model(batch.ids_BN, attention_mask=batch.there_BN).last_hidden_state
        logits_MV = model.decoder(model.head(hidden_BNW[batch.masked_BN])).float()
    truth_M = batch.truth_BN[batch.masked_BN]
    nats_M = F.cross_entropy(logits_MV, truth_M, reduction="none")
    right = (logits_MV.argmax(-1) == truth_M).float().mean()
    return (nats_M * batch.weight_BN[batch.masked_BN]).sum() / len(batch.ids_BN), right


def train(
    model: ModernBertForMaskedLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: int,
    folder: Path,
    first: int = 0,
) -> None:
    """Trains `model` lesson by lesson, from the lesson numbered `first` on.

    It is saved into `folder` at every check and at the end.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    journal = DiffusionJournal(model, tokenizer, folder)
    for lesson, _, loss, right in lessons_train(
        model,
        optimizer,
        LESSONS[first:],
        batches=lambda lesson: masked_batches(
            tokenizer, Random(f"diffusion {seed} {lesson.name}"), lesson
        ),
        loss_of=partial(loss_of, model),
        learning_rate=learning_rate,
    ):
        journal.add({"loss_nats": loss, "masked_right": right})
        if journal.steps % CHECK_EVERY == 0:
            journal.check(lesson)
    if journal.figures:
        journal.check(LESSONS[-1])


def learning_rate(lesson: MaskedLesson, step: int, warmup: float) -> float:
    """The rate at a step of a lesson, which goes evenly from its first to its last."""
    first, last = lesson.rate
    return PEAK_RATE * warmup * (first + (last - first) * step / lesson.steps)


class DiffusionJournal(Journal):
    """The journal that measures the gate at a check, and saves model and log."""

    def __init__(
        self, model: ModernBertForMaskedLM, tokenizer: PreTrainedTokenizerFast, folder: Path
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.folder = model, tokenizer, folder
        self.items = [number_item(Random(f"check numbers {n}")) for n in range(CHECK_ITEMS)]

    def check(self, lesson: MaskedLesson) -> None:
        """Measures, prints and saves."""
        filled = numbers_filled(self.model, self.tokenizer, self.items)
        self.enter(
            {"step": self.steps, "lesson": lesson.name}, {"exact_numbers": round(fmean(filled), 4)}
        )
        folder_write(self.folder, self.model, self.tokenizer, self.entries)


def folder_write(
    folder: Path,
    model: ModernBertForMaskedLM,
    tokenizer: PreTrainedTokenizerFast,
    log: list[Entry],
) -> None:
    """Writes a transformers folder in float16."""
    half = ModernBertForMaskedLM(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    log_write(folder, log)


def main() -> None:
    """Reads the options and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument(
        "--start", type=Path, default=LM_FOLDER, help="demo-lm, or a folder to continue"
    )
    parser.add_argument("--lesson", type=int, default=0, help="number of the first lesson")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.start)
    model = _started(options.start)
    train(model, tokenizer, seed=options.seed, folder=options.out, first=options.lesson)


def _started(folder: Path) -> ModernBertForMaskedLM:
    if AutoConfig.from_pretrained(folder).model_type == "llama":
        return model_from(LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32))
    model: ModernBertForMaskedLM = ModernBertForMaskedLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return model


if __name__ == "__main__":
    main()
