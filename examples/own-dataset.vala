// SPDX-License-Identifier: LGPL-2.1-or-later
// A data set written in Vala: own-dataset-vala [STEPS]
// Made by: valac --pkg reformer-1.0 -X -w -o own-dataset-vala own-dataset.vala

// Samples of triangle waves with other periods and phases, as levels from 0 to 31.
class Waves : Reformer.Dataset {
    int64 first;
    int64 count;

    public Waves (int64 first, int64 count) {
        this.first = first;
        this.count = count;
    }

    public override int64 count_samples (int length) throws Error {
        return count;
    }

    public override Reformer.Sample read_sample (int64 index, int length) throws Error {
        var number = first + index;
        var period = 5 + number % 27;
        int[] levels = {};
        for (int i = 0; i < length; i++)
            levels += (int) (((number + i) % (2 * period) - period).abs () * 31 / period);
        return new Reformer.Sample.from_ids (levels);
    }
}

async void train (uint steps) throws Error {
    var config = new Reformer.Config () {
        vocab_size = 32, is_decoder = true, hidden_size = 64, num_attention_heads = 2, attention_head_size = 32, feed_forward_size = 128,
        attn_layers = { "local", "lsh" }, axial_norm_std = 0.1
    };
    config.set_axial_pos_shape ({ 16, 16 });
    config.set_axial_pos_embds_dim ({ 16, 48 });
    var model = new Reformer.Model (null, config);
    var trainer = new Reformer.Trainer (model, new Waves (0, 1000)) {
        evaluation_dataset = new Waves (1000, 20), evaluation_interval = 20,
        optimizer = new Reformer.AdamW () { learning_rate = 0.005 }, sequence_length = 256, batch_size = 4
    };
    trainer.evaluated.connect ((evaluation) => print ("step %u: %.6f bits per level\n", evaluation.step, evaluation.bits));
    yield trainer.train_async (steps, null);
}

async int main (string[] args) {
    try {
        yield train (args.length > 1 ? uint.parse (args[1]) : 100);
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
