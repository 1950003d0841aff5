/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "property-options.h"

/* One line for every property that is an option. A test compares this list with the properties of the classes. */
static const ToolPropertyHelp helps[] = {
  /* Config: sizes */
  { "vocab-size", "N", "different token ids; the tokenizer's where it is not given" },
  { "input-features", "N", "numbers in each vector of the input; 0: the input is ids" },
  { "hidden-size", "N", "width of each stream" },
  { "num-attention-heads", "N", "attention heads" },
  { "attention-head-size", "N", "width of an attention head" },
  { "feed-forward-size", "N", "width of the feed-forward blocks" },
  { "hidden-act", "NAME", "activation of the feed-forward blocks, such as relu or gelu" },
  { "attn-layers", "KINDS", "kind of each layer, such as local,lsh,local,lsh" },
  { "num-hidden-layers", "N", "how many of them there are, from the first; -1: all" },
  { "is-decoder", NULL, "a token sees only what is before it" },
  { "hidden-dropout-prob", "P", "dropout of embeddings and of the layers' output" },
  { "layer-norm-eps", "X", "what layer norms add to the variance" },
  { "initializer-range", "X", "standard deviation of new weights" },
  { "chunk-size-feed-forward", "N", "kept for transformers, changes nothing here" },
  { "streams", "N", "residual streams: 2 for a Reformer, 1 for a standard Transformer" },
  { "norm-first", NULL, "norms before blocks, not after their sums, which needs one stream" },
  { "final-norm", NULL, "a norm after the last layer" },
  { "attention-bias", NULL, "biases in the projections of attention" },
  /* Config: attention */
  { "lsh-attn-chunk-length", "N", "tokens of a chunk of LSH attention" },
  { "lsh-num-chunks-before", "N", "chunks that LSH attention sees before its own" },
  { "lsh-num-chunks-after", "N", "chunks that LSH attention sees after its own" },
  { "lsh-attention-probs-dropout-prob", "P", "dropout of weights of LSH attention" },
  { "num-buckets", "N,...", "factors of the number of buckets; empty: chosen by the length" },
  { "num-hashes", "N", "rounds of hashing" },
  { "num-hashes-evaluation", "N", "rounds of hashing where nothing is learnt; -1: as many" },
  { "hash-seed", "N", "seed of the hash rotations; -1: the model's seed" },
  { "local-attn-chunk-length", "N", "tokens of a chunk of local attention" },
  { "local-num-chunks-before", "N", "chunks that local attention sees before its own" },
  { "local-num-chunks-after", "N", "chunks that local attention sees after its own" },
  { "local-attention-probs-dropout-prob", "P", "dropout of weights of local attention" },
  { "local-attn-circular", NULL, "the first chunk sees the last one, where attention is not causal" },
  { "window-attn-size", "N", "tokens of a sliding window, half before and half after; even" },
  { "window-attn-dilation", "N,...", "step of each head's window in tokens; empty: 1" },
  { "window-attn-global-tokens", "N,...", "positions that see all and are seen by all in window attention" },
  /* Config: positions */
  { "axial-pos-embds", NULL, "axial positions, not a table" },
  { "axial-pos-shape", "N,...", "grid of axial positions; its product is the longest sequence" },
  { "axial-pos-embds-dim", "N,...", "width of each axis; their sum is the hidden size" },
  { "axial-norm-std", "X", "standard deviation of new axial positions" },
  { "max-position-embeddings", "N", "rows of the table of positions" },
  /* Config: head */
  { "head", "NAME", "what stands on top of the layers" },
  { "num-labels", "N", "outputs of the heads that classify" },
  { "problem-type", "NAME", "transformers' name for what a classifier learns" },
  { "classifier-dropout", "P", "dropout of the classifier; -1: that of the layers" },
  { "class-weights", "X,...", "how much each class counts in the loss; empty: 1" },
  { "chunk-size-lm-head", "N", "kept for transformers, changes nothing here" },
  { "tie-word-embeddings", NULL, "kept for transformers, changes nothing here" },
  { "tied-projection", NULL, "logits by the embeddings' matrix, behind a projection" },
  { "pad-token-id", "N", "id of padding; -1: none" },
  { "eos-token-id", "N", "id of the end of a text; -1: none" },
  { "bos-token-id", "N", "id of the start of a text; -1: none" },
  /* Model and stack */
  { "seed", "N", "seed of all that is random" },
  { "keep", "WHAT", "what a step keeps of its forward pass" },
  /* Trainer */
  { "sequence-length", "N", "tokens of a sequence; --length for short" },
  { "final-sequence-length", "N", "tokens of a sequence in the last steps; 0: as before" },
  { "final-steps", "N", "how many last steps have the final length" },
  { "batch-size", "N", "sequences at once" },
  { "accumulation", "N", "batches that add up to a step" },
  { "max-gradient-norm", "X", "where gradients are clipped; 0: never" },
  { "shuffle", NULL, "sequences in random order" },
  { "rehash", NULL, "other hash rotations after each step" },
  { "by-length", NULL, "short samples as alone, not padded" },
  { "total-steps", "N", "steps in all; --steps for short", "1000", "a whole number from 1 to 4294967295" },
  { "evaluation-interval", "N", "steps between evaluations; 0: none" },
  { "evaluation-samples", "N", "sequences of an evaluation; 0: all" },
  { "patience", "N", "evaluations without improvement that end training; 0: it goes on" },
  { "min-improvement", "X", "by how much the loss must fall to be better" },
  { "checkpoint-interval", "N", "steps between checkpoints; 0: only at the end", "a tenth of all" },
  { "checkpoints-kept", "N", "checkpoints that stay, beside the best" },
  { "max-skipped", "N", "steps in a row with a number that is not finite, before training fails" },
  { "history-interval", "N", "steps between records of the history" },
  /* Data */
  { "held-out-fraction", "X", "part of the data that is evaluated and not trained on: the end of a text, or some of the sequences" },
  { "format", "NAME", "how the file is written" },
  { "columns", "NAME,...", "the columns of a table that have the sequence; empty: text, or sequence" },
  { "label-columns", "NAME,...", "those that have the label, or in FASTA its keys in the headers; empty: label, or the rest of the header" },
  { "classes", "NAME,...", "names of the classes, in the order of their numbers; empty: those of the file" },
  { "separator", "SIGN", "what stands between the fields of a table; empty: a comma, or in .tsv a tab" },
  { "split", NULL, "a sequence that is too long makes several samples; else its beginning is taken" },
  { "mask-fraction", "P", "part of the tokens that is asked for", .range = "a number above 0, up to 1" },
  { "mask-id", "N", "id of what stands in their places" },
  /* Optimizers */
  { "learning-rate", "X", "learning rate at the top of the schedule" },
  { "weight-decay", "X", "weight decay" },
  { "beta1", "X", "adamw: decay of the mean of gradients" },
  { "beta2", "X", "adamw: decay of the mean of their squares" },
  { "epsilon", "X", "adamw: what is added to the root of that" },
  { "momentum", "X", "sgd: momentum" },
  { "adafactor-decay", "X", "adafactor: how fast the mean of squares forgets" },
  { "clipping-threshold", "X", "adafactor: where updates are clipped" },
  { "scale-parameter", NULL, "adafactor: the rate is relative to the size of the weights" },
  /* Schedule */
  { "decay", "KIND", "how the learning rate falls after the warm-up" },
  { "warmup-steps", "N", "steps in which the learning rate rises" },
  { "final-factor", "X", "what is left of the learning rate at the last step" },
  /* Generator */
  { "max-tokens", "N", "tokens to make" },
  { "temperature", "X", "how much chance there is in it; 0: none" },
  { "top-k", "N", "only the N likeliest tokens; 0: all" },
  { "top-p", "X", "only the likeliest tokens that together have this probability", .range = "a number above 0, up to 1" },
  { "stop", "TEXT", "end before this text; may be given more than once" },
};

const ToolPropertyHelp *
tool_property_get_help (const char *option)
{
  for (guint i = 0; i < G_N_ELEMENTS (helps); i++)
    if (g_str_equal (helps[i].name, option))
      return &helps[i];
  return NULL;
}
