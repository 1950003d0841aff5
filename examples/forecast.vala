// SPDX-License-Identifier: LGPL-2.1-or-later
// A series that is continued: vectors instead of ids, and a value at each position: forecast-vala [STEPS]
// Made by: valac --pkg reformer-1.0 -X -w -X -lm -o forecast-vala forecast.vala

// What a meter says: a day of 24 hours, and a week.
float level (int64 hour) {
    return (float) ((hour % 24 - 12).abs () / 6.0 - 1 + (hour % 168 - 84).abs () / 84.0);
}

Bytes to_bytes (float[] values) {
    var bytes = new uint8[values.length * sizeof (float)];
    Memory.copy (bytes, values, bytes.length);
    return new Bytes.take ((owned) bytes);
}

// Stretches of the series; what is to be learned of each hour is the next one.
class Hours : Reformer.Dataset {
    int64 first;
    int64 count;

    public Hours (int64 first, int64 count) {
        this.first = first;
        this.count = count;
    }

    public override int64 count_samples (int length) throws Error {
        return count;
    }

    public override Reformer.Sample read_sample (int64 index, int length) throws Error {
        var series = new float[length + 1];
        for (int i = 0; i <= length; i++)
            series[i] = level (first + 37 * index + i);
        return new Reformer.Sample.from_values (to_bytes (series[0:length]), 1, null, to_bytes (series[1:length + 1]));
    }
}

// What the model says at the last position.
float predict (Reformer.Model model, float[] series) throws Error {
    var x = Reformer.Tensor.from_floats (model.device, series, { 1, series.length, 1 });
    var values = model.forward (x, null).to_floats ();
    return values[values.length - 1];
}

async void forecast (uint steps) throws Error {
    var config = new Reformer.Config () {
        head = Reformer.Head.VALUES, num_labels = 1, input_features = 1, is_decoder = true, hidden_size = 32, num_attention_heads = 2,
        attention_head_size = 16, feed_forward_size = 64, attn_layers = { "local", "lsh" }, axial_norm_std = 0.1, initializer_range = 0.15,
        hidden_dropout_prob = 0
    };
    config.set_axial_pos_shape ({ 16, 32 });
    config.set_axial_pos_embds_dim ({ 8, 24 });
    var model = new Reformer.Model (null, config);
    var trainer = new Reformer.Trainer (model, new Hours (0, 100)) {
        evaluation_dataset = new Hours (5000, 10), optimizer = new Reformer.AdamW () { learning_rate = 0.005 },
        schedule = new Reformer.Schedule () { warmup_steps = 20 }, sequence_length = 336, batch_size = 2
    };
    yield trainer.train_async (steps, null);
    print ("mean squared error %.6f\n", trainer.evaluate (null, null).mean_squared_error);

    float[] series = {};
    for (int i = 0; i < 336; i++)
        series += level (9000 + i);
    print ("the next day:");
    for (int hour = 0; hour < 24; hour++) {
        series += predict (model, series);
        print (" %.3f", series[series.length - 1]);
    }
    print ("\n");
}

async int main (string[] args) {
    try {
        yield forecast (args.length > 1 ? uint.parse (args[1]) : 300);
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
