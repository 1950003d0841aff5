/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-text-dataset.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/text-file.h"
#include "files/reading.h"

typedef struct
{
  guint64 begin;
  guint64 end;
} Part;

/**
 * ReformerTextDataset:
 *
 * The text of one file, in samples that follow each other.
 *
 * The last tenth of the file, or another part ([property@TextDataset:held-out-fraction]), is held out: it is left to [method@Dataset.get_held_out]. The cut is moved
 * back to where a character of UTF-8 begins, by at most 3 bytes. Sample i has the ids from i * length on; the last one is shorter where they do not come out even, and a
 * single id that would be left over is left out, for there is nothing that it could predict.
 *
 * The file is opened when it is first used, and then must not change: a file that was written to, or cut short, is an error, while one that was put in its place by renaming does no
 * harm. With [class@ByteTokenizer] samples are read straight from the file, which may be of any size; any other tokenizer encodes the whole part at once, and its ids stay
 * in memory.
 *
 * [method@Dataset.identify] gives the size and the SHA-256 of the file, the tokenizer, and the part. All functions may be called from any thread.
 *
 * ```python
 * text = Reformer.TextDataset(file=Gio.File.new_for_path("book.txt"), held_out_fraction=0.2)
 * print(text.count_samples(128), "sequences,", text.get_held_out().count_samples(128), "held out")
 * ```
 */
struct _ReformerTextDataset
{
  ReformerDataset parent_instance;

  GFile            *file;
  double            fraction;
  gboolean          held_out; /* this is the part that is held out */

  ReformerTextFile *text;     /* shared by both parts; NULL without a path */
  GMutex            mutex;    /* for the fraction, which may be set while another thread reads, and for ids */
  GBytes           *ids;      /* of the whole part, where it is not read by bytes */
  ReformerTokenizer *encoder; /* whose ids they are */
  Part              encoded;  /* and of what */
};

/* Fewer tokens give nothing to predict. */
#define MIN_TOKENS 2
#define MAX_FRACTION 0.9

enum
{
  PROP_0,
  PROP_FILE,
  PROP_HELD_OUT_FRACTION,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerTextDataset, reformer_text_dataset, REFORMER_TYPE_DATASET)

/* ---- The part of the file ---- */

static gboolean
check_file (ReformerTextDataset  *self,
            GError              **error)
{
  g_autofree char *uri = NULL;

  if (self->text != NULL)
    return TRUE;
  uri = self->file != NULL ? g_file_get_uri (self->file) : NULL;
  g_set_error (error, REFORMER_FILE_ERROR, uri != NULL ? REFORMER_FILE_ERROR_UNSUPPORTED : REFORMER_FILE_ERROR_INVALID,
               uri != NULL ? "%s is not on a local file system; wanted a local file" : "%sa TextDataset has no file; its property file is wanted", uri != NULL ? uri : "");
  return FALSE;
}

/* Moves a place that lies within a character of UTF-8 back to where it begins. */
static gboolean
find_character (ReformerTextDataset  *self,
                guint64              *place,
                guint64               size,
                GError              **error)
{
  const gsize back = (gsize) MIN (*place, 3);
  g_autoptr (GBytes) bytes = NULL;
  const guint8 *data;
  gsize n = 0;

  if (*place == 0 || *place == size)
    return TRUE;
  bytes = reformer_text_file_read (self->text, *place - back, back + 1, error);
  if (bytes == NULL)
    return FALSE;
  data = (const guint8 *) g_bytes_get_data (bytes, NULL) + back;
  while (n < back && (*(data - n) & 0xc0) == 0x80)
    n++;
  if (*(data - n) >= 0xc0 && n < (gsize) g_utf8_skip[*(data - n)])
    *place -= n;
  return TRUE;
}

static double
get_fraction (ReformerTextDataset *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->fraction;
}

static gboolean
check_fraction (double    fraction,
                GError  **error)
{
  if (fraction >= 0 && fraction <= MAX_FRACTION)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "held-out-fraction is %g; wanted 0 to %g", fraction, MAX_FRACTION);
  return FALSE;
}

static gboolean
find_part (ReformerTextDataset  *self,
           Part                 *part,
           GError              **error)
{
  const double fraction = get_fraction (self);
  guint64 size, cut;

  if (!check_fraction (fraction, error))
    return FALSE;
  if (!check_file (self, error) || !reformer_text_file_get_size (self->text, &size, error))
    return FALSE;
  cut = size - MIN (size, (guint64) ((double) size * fraction));
  if (!find_character (self, &cut, size, error))
    return FALSE;
  *part = self->held_out ? (Part) { cut, size } : (Part) { 0, cut };
  return TRUE;
}

static gboolean
check_tokens (ReformerTextDataset  *self,
              guint64               n_tokens,
              GError              **error)
{
  if (n_tokens >= MIN_TOKENS)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s has %" G_GUINT64_FORMAT " token%s, at least %d are wanted",
               reformer_text_file_get_path (self->text), self->held_out ? "the part that is held out" : "the part for training", n_tokens, n_tokens == 1 ? "" : "s", MIN_TOKENS);
  return FALSE;
}

/* ---- Tokens ---- */

static ReformerTokenizer *
dup_tokenizer (ReformerTextDataset *self)
{
  ReformerTokenizer *tokenizer = reformer_dataset_get_tokenizer (REFORMER_DATASET (self));

  return tokenizer != NULL ? g_object_ref (tokenizer) : reformer_byte_tokenizer_new ();
}

/* Ids of the whole part. The tokenizer may be called in another thread, which may want the data set meanwhile: nothing is locked then, and if two threads
 * encode at once, one result is dropped. */
static GBytes *
encode_part (ReformerTextDataset  *self,
             ReformerTokenizer    *tokenizer,
             const Part           *part,
             GError              **error)
{
  g_autoptr (GBytes) bytes = NULL;
  GBytes *ids = NULL;

  g_mutex_lock (&self->mutex);
  if (self->encoder == tokenizer && self->encoded.begin == part->begin && self->encoded.end == part->end)
    ids = g_bytes_ref (self->ids);
  g_mutex_unlock (&self->mutex);
  if (ids != NULL)
    return ids;
  if (part->end - part->begin > G_MAXSSIZE)
    {
      reformer_file_set_errno (error, EFBIG, reformer_text_file_get_path (self->text), "cannot be read");
      return NULL;
    }
  bytes = reformer_text_file_read (self->text, part->begin, (gsize) (part->end - part->begin), error);
  ids = bytes != NULL ? reformer_tokenizer_encode (tokenizer, bytes, error) : NULL;
  if (ids == NULL)
    return NULL;
  g_mutex_lock (&self->mutex);
  g_set_object (&self->encoder, tokenizer);
  g_clear_pointer (&self->ids, g_bytes_unref);
  self->ids = g_bytes_ref (ids);
  self->encoded = *part;
  g_mutex_unlock (&self->mutex);
  return ids;
}

/* The tokens of the part: as bytes of the file where ids is NULL then. */
typedef struct
{
  ReformerTokenizer *tokenizer;
  Part               part;
  GBytes            *ids;
  guint64            n_tokens;
} Tokens;

static void
tokens_clear (Tokens *tokens)
{
  g_clear_object (&tokens->tokenizer);
  g_clear_pointer (&tokens->ids, g_bytes_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tokens, tokens_clear)

static gboolean
find_tokens (ReformerTextDataset  *self,
             Tokens               *tokens,
             GError              **error)
{
  if (!find_part (self, &tokens->part, error))
    return FALSE;
  tokens->tokenizer = dup_tokenizer (self);
  tokens->n_tokens = tokens->part.end - tokens->part.begin;
  if (!REFORMER_IS_BYTE_TOKENIZER (tokens->tokenizer))
    {
      tokens->ids = encode_part (self, tokens->tokenizer, &tokens->part, error);
      if (tokens->ids == NULL)
        return FALSE;
      tokens->n_tokens = g_bytes_get_size (tokens->ids) / sizeof (gint32);
    }
  return check_tokens (self, tokens->n_tokens, error);
}

/* A single id that is left over makes no sample. */
static gint64
count (const Tokens *tokens,
       int           length)
{
  const guint64 rest = tokens->n_tokens % (guint64) length;

  return (gint64) (tokens->n_tokens / (guint64) length + (rest >= MIN_TOKENS));
}

/* ---- What a data set does ---- */

static gint64
reformer_text_dataset_count_samples (ReformerDataset  *dataset,
                                     int               length,
                                     GError          **error)
{
  g_auto (Tokens) tokens = { NULL };

  if (find_tokens (REFORMER_TEXT_DATASET (dataset), &tokens, error))
    return count (&tokens, length);
  reformer_file_tidy (error);
  return -1;
}

static GBytes *
read_ids (ReformerTextDataset  *self,
          gint64                index,
          int                   length,
          GError              **error)
{
  g_auto (Tokens) tokens = { NULL };
  g_autoptr (GBytes) bytes = NULL;
  guint64 begin;
  gsize n;

  if (!find_tokens (self, &tokens, error))
    return NULL;
  if (index >= count (&tokens, length))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: sample %" G_GINT64_FORMAT " was asked for, the last one of length %d is %" G_GINT64_FORMAT,
                   reformer_text_file_get_path (self->text), index, length, count (&tokens, length) - 1);
      return NULL;
    }
  begin = (guint64) index * (guint64) length;
  n = (gsize) MIN ((guint64) length, tokens.n_tokens - begin);
  if (tokens.ids != NULL)
    return g_bytes_new_from_bytes (tokens.ids, (gsize) begin * sizeof (gint32), n * sizeof (gint32));
  bytes = reformer_text_file_read (self->text, tokens.part.begin + begin, n, error);
  return bytes != NULL ? reformer_tokenizer_encode (tokens.tokenizer, bytes, error) : NULL;
}

static ReformerSample *
reformer_text_dataset_read_sample (ReformerDataset  *dataset,
                                   gint64            index,
                                   int               length,
                                   GError          **error)
{
  g_autoptr (GBytes) ids = read_ids (REFORMER_TEXT_DATASET (dataset), index, length, error);

  if (ids != NULL)
    return reformer_sample_new (ids, NULL, NULL);
  reformer_file_tidy (error);
  return NULL;
}

static ReformerDataset *
reformer_text_dataset_get_held_out (ReformerDataset  *dataset,
                                    GError          **error)
{
  ReformerTextDataset *self = REFORMER_TEXT_DATASET (dataset);
  const double fraction = get_fraction (self);
  ReformerTextDataset *other;

  if (!check_fraction (fraction, error) || self->held_out || fraction == 0)
    return NULL;
  other = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", self->file, "tokenizer", reformer_dataset_get_tokenizer (dataset), "held-out-fraction", fraction, NULL);
  other->held_out = TRUE;
  g_clear_pointer (&other->text, reformer_text_file_unref);
  other->text = self->text != NULL ? reformer_text_file_ref (self->text) : NULL;
  return REFORMER_DATASET (other);
}

static char *
reformer_text_dataset_identify (ReformerDataset  *dataset,
                                GError          **error)
{
  ReformerTextDataset *self = REFORMER_TEXT_DATASET (dataset);
  g_autoptr (ReformerTokenizer) tokenizer = dup_tokenizer (self);
  g_autofree char *identity = reformer_tokenizer_identify (tokenizer, error);
  g_autofree char *name = identity != NULL ? reformer_file_quote (identity) : NULL; /* one line */
  const char *hash = NULL;
  guint64 size;
  Part part;

  if (name != NULL && find_part (self, &part, error) && reformer_text_file_get_size (self->text, &size, error))
    hash = reformer_text_file_get_hash (self->text, error);
  if (hash != NULL)
    return g_strdup_printf ("text of %" G_GUINT64_FORMAT " bytes, sha256 %s, tokenizer %s, %s part of %" G_GUINT64_FORMAT " bytes", size, hash, name,
                            self->held_out ? "held-out" : "training", part.end - part.begin);
  reformer_file_tidy (error);
  return NULL;
}

/* ---- The object ---- */

static void
reformer_text_dataset_constructed (GObject *object)
{
  ReformerTextDataset *self = REFORMER_TEXT_DATASET (object);

  G_OBJECT_CLASS (reformer_text_dataset_parent_class)->constructed (object);
  if (self->file != NULL && g_file_peek_path (self->file) != NULL)
    self->text = reformer_text_file_new (g_file_peek_path (self->file));
  if (reformer_dataset_get_tokenizer (REFORMER_DATASET (self)) == NULL)
    {
      g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();

      reformer_dataset_set_tokenizer (REFORMER_DATASET (self), tokenizer);
    }
}

static void
reformer_text_dataset_finalize (GObject *object)
{
  ReformerTextDataset *self = REFORMER_TEXT_DATASET (object);

  g_clear_object (&self->file);
  g_clear_pointer (&self->text, reformer_text_file_unref);
  g_mutex_clear (&self->mutex);
  g_clear_pointer (&self->ids, g_bytes_unref);
  g_clear_object (&self->encoder);
  G_OBJECT_CLASS (reformer_text_dataset_parent_class)->finalize (object);
}

static void
reformer_text_dataset_get_property (GObject    *object,
                                    guint       id,
                                    GValue     *value,
                                    GParamSpec *pspec)
{
  ReformerTextDataset *self = REFORMER_TEXT_DATASET (object);

  switch (id)
    {
    case PROP_FILE:
      g_value_set_object (value, self->file);
      break;
    case PROP_HELD_OUT_FRACTION:
      g_value_set_double (value, get_fraction (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_text_dataset_set_property (GObject      *object,
                                    guint         id,
                                    const GValue *value,
                                    GParamSpec   *pspec)
{
  ReformerTextDataset *self = REFORMER_TEXT_DATASET (object);

  switch (id)
    {
    case PROP_FILE:
      self->file = g_value_dup_object (value);
      break;
    case PROP_HELD_OUT_FRACTION:
      reformer_text_dataset_set_held_out_fraction (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_text_dataset_class_init (ReformerTextDatasetClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerDatasetClass *dataset_class = REFORMER_DATASET_CLASS (klass);

  reformer_home_own (klass);
  object_class->constructed = reformer_text_dataset_constructed;
  object_class->finalize = reformer_text_dataset_finalize;
  object_class->get_property = reformer_text_dataset_get_property;
  object_class->set_property = reformer_text_dataset_set_property;
  dataset_class->count_samples = reformer_text_dataset_count_samples;
  dataset_class->read_sample = reformer_text_dataset_read_sample;
  dataset_class->get_held_out = reformer_text_dataset_get_held_out;
  dataset_class->identify = reformer_text_dataset_identify;

  /**
   * ReformerTextDataset:file:
   *
   * The file, which must be a plain one on a local file system.
   */
  props[PROP_FILE] = g_param_spec_object ("file", NULL, NULL, G_TYPE_FILE, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerTextDataset:held-out-fraction:
   *
   * The part of the file, from its end, that is left to [method@Dataset.get_held_out]; 0 holds nothing out.
   */
  props[PROP_HELD_OUT_FRACTION] = g_param_spec_double ("held-out-fraction", NULL, NULL, 0, MAX_FRACTION, 0.1,
                                                       G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_text_dataset_init (ReformerTextDataset *self)
{
  g_mutex_init (&self->mutex);
}

/**
 * reformer_text_dataset_new:
 * @file: a local file
 * @tokenizer: (nullable): what makes ids of the text; %NULL for a [class@ByteTokenizer]
 *
 * Creates a data set that reads a file. The file is looked at when the data set is first used.
 *
 * Returns: (transfer full): a new data set
 */
ReformerTextDataset *
reformer_text_dataset_new (GFile             *file,
                           ReformerTokenizer *tokenizer)
{
  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (tokenizer == NULL || REFORMER_IS_TOKENIZER (tokenizer), NULL);

  return g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", file, "tokenizer", tokenizer, NULL);
}

/**
 * reformer_text_dataset_get_file:
 * @self: a data set
 *
 * Gets the file.
 *
 * Returns: (transfer none) (nullable): the file, or %NULL if none was given
 */
GFile *
reformer_text_dataset_get_file (ReformerTextDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_TEXT_DATASET (self), NULL);

  return self->file;
}

/**
 * reformer_text_dataset_get_held_out_fraction:
 * @self: a data set
 *
 * Gets the part of the file that is held out.
 *
 * Returns: the part of the file that is held out, from 0 to 0.9
 */
double
reformer_text_dataset_get_held_out_fraction (ReformerTextDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_TEXT_DATASET (self), 0);

  return get_fraction (self);
}

/**
 * reformer_text_dataset_set_held_out_fraction:
 * @self: a data set
 * @held_out_fraction: the part of the file to hold out, from 0 to 0.9
 *
 * Sets the part of the file that is held out. A part that [method@Dataset.get_held_out] gave before stays what it is. Another number than 0 to 0.9 fails with the next use.
 */
void
reformer_text_dataset_set_held_out_fraction (ReformerTextDataset *self,
                                             double               held_out_fraction)
{
  gboolean same;

  g_return_if_fail (REFORMER_IS_TEXT_DATASET (self));

  g_mutex_lock (&self->mutex);
  same = self->fraction == held_out_fraction;
  self->fraction = held_out_fraction;
  g_mutex_unlock (&self->mutex);
  if (same)
    return;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_HELD_OUT_FRACTION]);
}
