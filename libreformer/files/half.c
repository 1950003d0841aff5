/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/half.h"

#include <string.h>

static guint32
bits_of (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);

  return bits;
}

static float
float_of (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);

  return value;
}

/* bits / 2^shift to the nearest integer, ties to even; shift is 1 to 31 */
static guint32
round_shift (guint32 bits,
             guint   shift)
{
  guint32 half = 1u << (shift - 1), rest = bits & ((1u << shift) - 1), whole = bits >> shift;

  if (rest > half || (rest == half && (whole & 1) != 0))
    whole++;

  return whole;
}

float
reformer_float32_from_float16 (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16, magnitude = half & 0x7fff;

  if (magnitude >= 0x7c00) /* infinity, NaN */
    return float_of (sign | 0x7f800000 | (magnitude & 0x3ff) << 13);

  if (magnitude < 0x0400) /* zero and subnormals: exact in float32, whatever the rounding mode */
    return (sign != 0 ? -1.0f : 1.0f) * (float) magnitude * 0x1p-24f;

  return float_of (sign | ((magnitude << 13) + ((127u - 15) << 23)));
}

guint16
reformer_float16_from_float32 (float value)
{
  guint32 bits = bits_of (value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff, exponent;

  if (magnitude > 0x7f800000)
    return (guint16) (sign | 0x7e00 | (magnitude >> 13 & 0x3ff));

  if (magnitude >= 0x477ff000) /* halfway from 65504 to 65536 and beyond */
    return (guint16) (sign | 0x7c00);

  if (magnitude >= 0x38800000) /* a carry out of the fraction moves the exponent up, as it should */
    return (guint16) (sign | round_shift (magnitude - ((127u - 15) << 23), 13));

  exponent = magnitude >> 23;
  if (exponent < 102) /* below half of the smallest subnormal */
    return (guint16) sign;

  return (guint16) (sign | round_shift ((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
}

float
reformer_float32_from_bfloat16 (guint16 half)
{
  return float_of ((guint32) half << 16);
}

guint16
reformer_bfloat16_from_float32 (float value)
{
  guint32 bits = bits_of (value);

  if ((bits & 0x7fffffff) > 0x7f800000)
    return (guint16) (bits >> 16 | 0x40);

  return (guint16) (bits >> 31 << 15 | round_shift (bits & 0x7fffffff, 16));
}
