/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled-private.h"

#include <libreformer/data/reformer-alphabet-tokenizer.h>
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

/* ---- What settings mean ---- */

static gboolean
ends_with (const char        *name,
           const char *const *ends)
{
  for (; *ends != NULL; ends++)
    if (g_str_has_suffix (name, *ends))
      return TRUE;
  return FALSE;
}

ReformerDataFormat
reformer_labelled_find_format (GFile              *file,
                               ReformerDataFormat  format)
{
  static const char *const tables[] = { ".csv", ".tsv", ".csv.gz", ".tsv.gz", NULL };
  static const char *const letters[] = { ".fa", ".fasta", ".fna", ".faa", ".ffn", ".fa.gz", ".fasta.gz", ".fna.gz", ".faa.gz", ".ffn.gz", NULL };
  g_autofree char *name = file != NULL ? g_file_get_basename (file) : NULL;
  g_autofree char *small = name != NULL ? g_ascii_strdown (name, -1) : g_strdup ("");

  if (format != REFORMER_DATA_FORMAT_AUTO)
    return format;
  if (file != NULL && g_file_query_file_type (file, G_FILE_QUERY_INFO_NONE, NULL) == G_FILE_TYPE_DIRECTORY)
    return REFORMER_DATA_FORMAT_FOLDER;
  return ends_with (small, tables) ? REFORMER_DATA_FORMAT_CSV : ends_with (small, letters) ? REFORMER_DATA_FORMAT_FASTA : REFORMER_DATA_FORMAT_LINES;
}

char
reformer_labelled_find_separator (GFile      *file,
                                  const char *separator)
{
  static const char *const tabs[] = { ".tsv", ".tsv.gz", NULL };
  g_autofree char *name = g_file_get_basename (file);
  g_autofree char *small = name != NULL ? g_ascii_strdown (name, -1) : g_strdup ("");

  return separator[0] != '\0' ? separator[0] : ends_with (small, tabs) ? '\t' : ',';
}

static gboolean
is_separator (const char *text)
{
  return text[0] == '\0' || (text[1] == '\0' && (g_ascii_isprint (text[0]) || text[0] == '\t') && text[0] != '"' && !g_ascii_isalnum (text[0]));
}

static gboolean
check_member (GType         type,
              const char   *name,
              int           value,
              GError      **error)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);
  const gboolean known = g_enum_get_value (klass, value) != NULL;

  if (!known)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s is %d; wanted %d to %d", name, value, klass->minimum, klass->maximum);
  return known;
}

gboolean
reformer_labelled_check_settings (ReformerLabelledDataset  *self,
                                  GError                  **error)
{
  if (self->file == NULL)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "a LabelledDataset has no file; its property file is wanted");
  else if (!(self->fraction >= 0 && self->fraction <= REFORMER_LABELLED_MAX_FRACTION))
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "held-out-fraction is %g; wanted 0 to %g", self->fraction, REFORMER_LABELLED_MAX_FRACTION);
  else if (self->settings.features < 1 || self->settings.features > REFORMER_LABELLED_MAX_FEATURES)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "features is %d; wanted 1 to %d", self->settings.features, REFORMER_LABELLED_MAX_FEATURES);
  else if (!is_separator (self->separator))
    {
      g_autofree char *seen = reformer_file_quote (self->separator);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "separator is \"%s\"; wanted one sign of ASCII, such as ; or a tab, and no quote", seen);
    }
  else
    return check_member (REFORMER_TYPE_DATA_FORMAT, "format", (int) self->settings.format, error) &&
           check_member (REFORMER_TYPE_LABELLING, "labels", (int) self->settings.kind, error);
  return FALSE;
}

void
reformer_labelled_choose_tokenizer (ReformerLabelledDataset *self)
{
  ReformerDataset *dataset = REFORMER_DATASET (self);
  ReformerTokenizer *given = reformer_dataset_get_tokenizer (dataset);
  g_autoptr (ReformerTokenizer) tokenizer = NULL;

  if (given != self->usual)
    return;
  if (!self->settings.numbers && reformer_labelled_find_format (self->file, self->settings.format) == REFORMER_DATA_FORMAT_FASTA)
    tokenizer = REFORMER_IS_ALPHABET_TOKENIZER (given) ? g_object_ref (given) : g_object_new (REFORMER_TYPE_ALPHABET_TOKENIZER, NULL);
  else if (!self->settings.numbers)
    tokenizer = REFORMER_IS_BYTE_TOKENIZER (given) ? g_object_ref (given) : reformer_byte_tokenizer_new ();
  g_set_object (&self->usual, tokenizer);
  reformer_dataset_set_tokenizer (dataset, tokenizer);
}

/* ---- Setting them ---- */

/* What was read with other settings is not used any more. With the mutex held, which it gives back. */
static void
finish (ReformerLabelledDataset *self,
        guint                    id)
{
  g_clear_pointer (&self->view, reformer_labelled_view_unref);
  g_clear_pointer (&self->index, reformer_labelled_index_unref);
  g_mutex_unlock (&self->mutex);
  reformer_labelled_choose_tokenizer (self);
  g_object_notify_by_pspec (G_OBJECT (self), reformer_labelled_properties[id]);
}

static void
set_strings (ReformerLabelledDataset   *self,
             char                    ***to,
             const char *const         *from,
             guint                      id)
{
  static const char *const none[] = { NULL };

  if (from == NULL)
    from = none;
  g_mutex_lock (&self->mutex);
  if (g_strv_equal ((const char *const *) *to, from))
    g_mutex_unlock (&self->mutex);
  else
    {
      char **copy = g_strdupv ((char **) from);

      g_strfreev (*to);
      *to = copy;
      finish (self, id);
    }
}

/**
 * reformer_labelled_dataset_get_file:
 * @self: a data set
 *
 * Gets the file.
 *
 * Returns: (transfer none) (nullable): the file, or %NULL if none was given
 */
GFile *
reformer_labelled_dataset_get_file (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), NULL);

  return self->file;
}

/**
 * reformer_labelled_dataset_get_format:
 * @self: a data set
 *
 * Gets how the file is written.
 *
 * Returns: a format
 */
ReformerDataFormat
reformer_labelled_dataset_get_format (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), REFORMER_DATA_FORMAT_AUTO);

  return self->settings.format;
}

/**
 * reformer_labelled_dataset_set_format:
 * @self: a data set
 * @format: a format
 *
 * Sets how the file is written. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_format (ReformerLabelledDataset *self,
                                      ReformerDataFormat       format)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (self->settings.format == format)
    g_mutex_unlock (&self->mutex);
  else
    {
      self->settings.format = format;
      finish (self, REFORMER_LABELLED_FORMAT);
    }
}

/**
 * reformer_labelled_dataset_get_labels:
 * @self: a data set
 *
 * Gets what a label is.
 *
 * Returns: a kind of label
 */
ReformerLabelling
reformer_labelled_dataset_get_labels (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), REFORMER_LABELLING_NONE);

  return self->settings.kind;
}

/**
 * reformer_labelled_dataset_set_labels:
 * @self: a data set
 * @labels: a kind of label
 *
 * Sets what a label is. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_labels (ReformerLabelledDataset *self,
                                      ReformerLabelling        labels)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (self->settings.kind == labels)
    g_mutex_unlock (&self->mutex);
  else
    {
      self->settings.kind = labels;
      finish (self, REFORMER_LABELLED_LABELS);
    }
}

/**
 * reformer_labelled_dataset_get_columns:
 * @self: a data set
 *
 * Gets the columns of a table that have the sequence.
 *
 * Returns: (transfer none) (array zero-terminated=1): names; none for the usual ones
 */
const char *const *
reformer_labelled_dataset_get_columns (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), NULL);

  return (const char *const *) self->settings.columns;
}

/**
 * reformer_labelled_dataset_set_columns:
 * @self: a data set
 * @columns: (nullable) (array zero-terminated=1): names; none for the usual ones
 *
 * Sets the columns of a table that have the sequence. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_columns (ReformerLabelledDataset *self,
                                       const char *const       *columns)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  set_strings (self, &self->settings.columns, columns, REFORMER_LABELLED_COLUMNS);
}

/**
 * reformer_labelled_dataset_get_label_columns:
 * @self: a data set
 *
 * Gets the columns of a table, or the keys in the headers of FASTA, that have the label.
 *
 * Returns: (transfer none) (array zero-terminated=1): names; none for the usual ones
 */
const char *const *
reformer_labelled_dataset_get_label_columns (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), NULL);

  return (const char *const *) self->settings.label_columns;
}

/**
 * reformer_labelled_dataset_set_label_columns:
 * @self: a data set
 * @label_columns: (nullable) (array zero-terminated=1): names; none for the usual ones
 *
 * Sets the columns of a table, or the keys in the headers of FASTA, that have the label. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_label_columns (ReformerLabelledDataset *self,
                                             const char *const       *label_columns)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  set_strings (self, &self->settings.label_columns, label_columns, REFORMER_LABELLED_LABEL_COLUMNS);
}

/**
 * reformer_labelled_dataset_get_classes:
 * @self: a data set
 *
 * Gets the classes in the order of their numbers.
 *
 * Returns: (transfer none) (array zero-terminated=1): names; none for those that are in the file
 */
const char *const *
reformer_labelled_dataset_get_classes (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), NULL);

  return (const char *const *) self->settings.classes;
}

/**
 * reformer_labelled_dataset_set_classes:
 * @self: a data set
 * @classes: (nullable) (array zero-terminated=1): names; none for those that are in the file
 *
 * Sets the classes in the order of their numbers. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_classes (ReformerLabelledDataset *self,
                                       const char *const       *classes)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  set_strings (self, &self->settings.classes, classes, REFORMER_LABELLED_CLASSES);
}

/**
 * reformer_labelled_dataset_get_separator:
 * @self: a data set
 *
 * Gets what stands between the fields of a table.
 *
 * Returns: (transfer none): one sign, or an empty text for the usual one
 */
const char *
reformer_labelled_dataset_get_separator (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), NULL);

  return self->separator;
}

/**
 * reformer_labelled_dataset_set_separator:
 * @self: a data set
 * @separator: (nullable): one sign; %NULL or an empty text for the usual one
 *
 * Sets what stands between the fields of a table. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_separator (ReformerLabelledDataset *self,
                                         const char              *separator)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (g_str_equal (self->separator, separator != NULL ? separator : ""))
    g_mutex_unlock (&self->mutex);
  else
    {
      g_free (self->separator);
      self->separator = g_strdup (separator != NULL ? separator : "");
      finish (self, REFORMER_LABELLED_SEPARATOR);
    }
}

/**
 * reformer_labelled_dataset_get_numbers:
 * @self: a data set
 *
 * Gets whether sequences are numbers.
 *
 * Returns: whether they are
 */
gboolean
reformer_labelled_dataset_get_numbers (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), FALSE);

  return self->settings.numbers;
}

/**
 * reformer_labelled_dataset_set_numbers:
 * @self: a data set
 * @numbers: whether they are
 *
 * Sets whether sequences are numbers. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_numbers (ReformerLabelledDataset *self,
                                       gboolean                 numbers)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (!self->settings.numbers == !numbers)
    g_mutex_unlock (&self->mutex);
  else
    {
      self->settings.numbers = numbers != FALSE;
      finish (self, REFORMER_LABELLED_NUMBERS);
    }
}

/**
 * reformer_labelled_dataset_get_features:
 * @self: a data set
 *
 * Gets how many numbers are one vector.
 *
 * Returns: 1 to 65,536
 */
int
reformer_labelled_dataset_get_features (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), 0);

  return self->settings.features;
}

/**
 * reformer_labelled_dataset_set_features:
 * @self: a data set
 * @features: 1 to 65,536; what is beyond fails with the next use
 *
 * Sets how many numbers are one vector. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_features (ReformerLabelledDataset *self,
                                        int                      features)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (self->settings.features == features)
    g_mutex_unlock (&self->mutex);
  else
    {
      self->settings.features = features;
      finish (self, REFORMER_LABELLED_FEATURES);
    }
}

/**
 * reformer_labelled_dataset_get_split:
 * @self: a data set
 *
 * Gets whether a sequence that is longer than a sample makes several.
 *
 * Returns: whether it does
 */
gboolean
reformer_labelled_dataset_get_split (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), FALSE);

  return self->settings.split;
}

/**
 * reformer_labelled_dataset_set_split:
 * @self: a data set
 * @split: whether it does
 *
 * Sets whether a sequence that is longer than a sample makes several. It counts from the next use on, which reads the file again.
 */
void
reformer_labelled_dataset_set_split (ReformerLabelledDataset *self,
                                     gboolean                 split)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (!self->settings.split == !split)
    g_mutex_unlock (&self->mutex);
  else
    {
      self->settings.split = split != FALSE;
      finish (self, REFORMER_LABELLED_SPLIT);
    }
}

/**
 * reformer_labelled_dataset_get_held_out_fraction:
 * @self: a data set
 *
 * Gets the part of the sequences that is held out.
 *
 * Returns: the part, from 0 to 0.9
 */
double
reformer_labelled_dataset_get_held_out_fraction (ReformerLabelledDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), 0);

  return self->fraction;
}

/**
 * reformer_labelled_dataset_set_held_out_fraction:
 * @self: a data set
 * @held_out_fraction: the part, from 0 to 0.9; what is beyond fails with the next use
 *
 * Sets the part of the sequences that is held out. A part that [method@Dataset.get_held_out] gave before stays what it is.
 */
void
reformer_labelled_dataset_set_held_out_fraction (ReformerLabelledDataset *self,
                                                 double                   held_out_fraction)
{
  g_return_if_fail (REFORMER_IS_LABELLED_DATASET (self));

  g_mutex_lock (&self->mutex);
  if (self->fraction == held_out_fraction)
    {
      g_mutex_unlock (&self->mutex);
      return;
    }
  self->fraction = held_out_fraction;
  g_clear_pointer (&self->view, reformer_labelled_view_unref);
  g_mutex_unlock (&self->mutex);
  g_object_notify_by_pspec (G_OBJECT (self), reformer_labelled_properties[REFORMER_LABELLED_HELD_OUT_FRACTION]);
}
