/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define _REFORMER_INSIDE

#include <libreformer/compute/reformer-device-error.h>
#include <libreformer/compute/reformer-device-list.h>
#include <libreformer/compute/reformer-device.h>
#include <libreformer/compute/reformer-tensor.h>
#include <libreformer/compute/reformer-version-macros.h>
#include <libreformer/compute/reformer-version.h>
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-dataset.h>
#include <libreformer/data/reformer-sample.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/data/reformer-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>
#include <libreformer/generation/reformer-generator.h>
#include <libreformer/generation/reformer-piece.h>
#include <libreformer/generation/reformer-session.h>
#include <libreformer/layers/reformer-attention.h>
#include <libreformer/layers/reformer-axial-position.h>
#include <libreformer/layers/reformer-embedding.h>
#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-layer-norm.h>
#include <libreformer/layers/reformer-layer.h>
#include <libreformer/layers/reformer-linear.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/layers/reformer-model-error.h>
#include <libreformer/layers/reformer-parameter.h>
#include <libreformer/layers/reformer-position-table.h>
#include <libreformer/layers/reformer-stack.h>
#include <libreformer/layers/reformer-tape.h>
#include <libreformer/models/reformer-config.h>
#include <libreformer/models/reformer-head.h>
#include <libreformer/models/reformer-memory-plan.h>
#include <libreformer/models/reformer-model.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-optimizer.h>
#include <libreformer/training/reformer-schedule.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#undef _REFORMER_INSIDE
