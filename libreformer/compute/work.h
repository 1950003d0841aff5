/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a command does: floating point operations that its result needs, and bytes of the arrays that it reads and writes, each array once. */
typedef struct
{
  double flops, bytes;
} ReformerWork;
