/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* float16 and bfloat16: every value, and every midpoint, against arithmetic in double. */
#include <math.h>
#include <string.h>

#include <glib.h>

#include "files/half.h"

/* sign, exponent and fraction by the definition */
static double
value_of (guint16 half,
          guint   n_fraction,
          int     bias)
{
  guint n_exponent = 15 - n_fraction;
  int exponent = half >> n_fraction & ((1 << n_exponent) - 1), fraction = half & ((1 << n_fraction) - 1);
  double sign = half >> 15 != 0 ? -1 : 1;

  if (exponent == (1 << n_exponent) - 1)
    return fraction != 0 ? (double) NAN : sign * (double) INFINITY;
  if (exponent == 0)
    return sign * ldexp (fraction, 1 - bias - (int) n_fraction);

  return sign * ldexp (fraction + (1 << n_fraction), exponent - bias - (int) n_fraction);
}

typedef float (*Widen) (guint16 half);
typedef guint16 (*Narrow) (float value);

static const struct
{
  const char *name;
  Widen       widen;
  Narrow      narrow;
  guint       n_fraction;
  int         bias;
} formats[] = {
  { "float16", reformer_float32_from_float16, reformer_float16_from_float32, 10, 15 },
  { "bfloat16", reformer_float32_from_bfloat16, reformer_bfloat16_from_float32, 7, 127 },
};

static void
test_every_value (gconstpointer data)
{
  guint f = GPOINTER_TO_UINT (data);

  for (guint half = 0; half < 65536; half++)
    {
      double want = value_of ((guint16) half, formats[f].n_fraction, formats[f].bias);
      float got = formats[f].widen ((guint16) half);

      if (isnan (want))
        {
          g_assert_true (isnan (got));
          g_assert_true (isnan (formats[f].widen (formats[f].narrow (got))));
          g_assert_true ((signbit (got) != 0) == (half >> 15));
          continue;
        }

      g_assert_true ((double) got == want && (signbit (got) != 0) == (half >> 15));
      g_assert_cmpuint (formats[f].narrow (got), ==, half);
    }
}

/* Between two neighbours: the midpoint goes to the even one, the floats just beside it to the nearer one. */
static void
test_rounding (gconstpointer data)
{
  guint f = GPOINTER_TO_UINT (data), infinity = ((1u << (15 - formats[f].n_fraction)) - 1) << formats[f].n_fraction;

  for (guint half = 0; half < infinity; half++)
    {
      double low = value_of ((guint16) half, formats[f].n_fraction, formats[f].bias);
      double high = half + 1 < infinity ? value_of ((guint16) (half + 1), formats[f].n_fraction, formats[f].bias)
                                        : low + (low - value_of ((guint16) (half - 1), formats[f].n_fraction, formats[f].bias));
      float middle = (float) (low + (high - low) / 2);
      guint even = half + (half & 1);

      g_assert_true ((double) middle == low + (high - low) / 2);
      for (guint sign = 0; sign < 2; sign++)
        {
          float s = sign != 0 ? -1.0f : 1.0f;

          g_assert_cmpuint (formats[f].narrow (s * middle), ==, even | sign << 15);
          g_assert_cmpuint (formats[f].narrow (s * nextafterf (middle, 0)), ==, half | sign << 15);
          g_assert_cmpuint (formats[f].narrow (s * nextafterf (middle, INFINITY)), ==, (half + 1) | sign << 15);
        }
    }

  g_assert_cmpuint (formats[f].narrow (INFINITY), ==, infinity);
  g_assert_cmpuint (formats[f].narrow (-INFINITY), ==, infinity | 0x8000);
  g_assert_cmpuint (formats[f].narrow (0x1p-149f), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++)
    {
      g_autofree char *every = g_strdup_printf ("/half/%s/every-value", formats[f].name);
      g_autofree char *rounding = g_strdup_printf ("/half/%s/rounding", formats[f].name);

      g_test_add_data_func (every, GUINT_TO_POINTER (f), test_every_value);
      g_test_add_data_func (rounding, GUINT_TO_POINTER (f), test_rounding);
    }

  return g_test_run ();
}
