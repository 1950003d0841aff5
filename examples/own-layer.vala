// SPDX-License-Identifier: LGPL-2.1-or-later
// A layer written in Vala, put between those of a model and trained with them: own-layer-vala [FILE [STEPS]]
// Made by: valac --pkg reformer-1.0 -X -w -o own-layer-vala own-layer.vala

// Squeezes each token through a narrow middle.
class Adapter : Reformer.Layer {
    Reformer.LayerNorm norm;
    Reformer.Linear down;
    Reformer.Linear up;

    public Adapter (Reformer.Device device, int width, int narrow) {
        Object (device: device, target: 1); // it is added to the stream that feed-forward layers are added to
        norm = new Reformer.LayerNorm (device, width);
        down = new Reformer.Linear (device, width, narrow, true);
        up = new Reformer.Linear (device, narrow, width, true);
        add_child ("norm", norm);
        add_child ("down", down);
        add_child ("up", up);
    }

    public override Reformer.Tensor forward (Reformer.Tensor input, Reformer.Tape tape) throws Error {
        return up.forward (down.forward (norm.forward (input, tape), tape), tape);
    }

    public override Reformer.Tensor backward (Reformer.Tensor gradient, Reformer.Tape tape) throws Error {
        return norm.backward (down.backward (up.backward (gradient, tape), tape), tape);
    }
}

async void train (string path, uint steps) throws Error {
    var device = Reformer.Device.get_default ();
    var model = new Reformer.Model (device, new Reformer.Config.preset ("small"));
    var adapter = new Adapter (device, model.config.hidden_size, 16);
    model.stack.insert (2, "adapter", adapter);
    var text = new Reformer.TextDataset (File.new_for_path (path), null);
    var trainer = new Reformer.Trainer (model, text) { sequence_length = 512 };
    var before = yield trainer.evaluate_async (null, null);
    print ("before: %.6f bits per byte\n", before.bits);
    yield trainer.train_async (steps, null);
    var after = yield trainer.evaluate_async (null, null);
    print ("after: %.6f bits per byte\n", after.bits);
    foreach (var parameter in adapter.get_parameters ())
        print ("%s\n", parameter.name);
}

async int main (string[] args) {
    try {
        yield train (args.length > 1 ? args[1] : "book.txt", args.length > 2 ? uint.parse (args[2]) : 100);
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
