// SPDX-License-Identifier: LGPL-2.1-or-later
// Trains a small model on a text and saves it: train-text-vala [FILE [STEPS [FOLDER]]]
// Made by: valac --pkg reformer-1.0 -X -w -o train-text-vala train-text.vala

async void train (string path, uint steps, string folder) throws Error {
    var text = new Reformer.TextDataset (File.new_for_path (path), null); // its last tenth is held out
    var model = new Reformer.Model (null, new Reformer.Config.preset ("small"));
    var trainer = new Reformer.Trainer (model, text) { sequence_length = 1024, evaluation_interval = 20 };
    trainer.evaluated.connect ((evaluation) => print ("step %u: %.4f bits per byte\n", evaluation.step, evaluation.bits));
    yield trainer.train_async (steps, null);
    var evaluation = yield trainer.evaluate_async (null, null);
    print ("held-out text: %.4f bits per byte\n", evaluation.bits);
    model.save (File.new_for_path (folder));
}

async int main (string[] args) {
    try {
        yield train (args.length > 1 ? args[1] : "book.txt", args.length > 2 ? uint.parse (args[2]) : 200, args.length > 3 ? args[3] : "model");
    } catch (Error e) {
        printerr ("%s\n", e.message);
        return 1;
    }
    return 0;
}
