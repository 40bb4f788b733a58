"""Keras: each epoch is reported, and a trial whose worker is lost goes on from Keras' own backup."""

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import manyhands as mh

X, X_VALID, Y, Y_VALID = train_test_split(*load_digits(return_X_y=True), test_size=0.3, random_state=0)


def objective(params, trial):
    """The accuracy on held-out data after 9 epochs."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input([64]),
            keras.layers.Dense(params["units"], activation="relu"),
            keras.layers.Dropout(params["dropout"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(params["rate"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
    backup = keras.callbacks.BackupAndRestore(trial.checkpoint_dir, delete_checkpoint=False)
    report = mh.callbacks.KerasCallback(trial, "val_accuracy")
    valid = (X_VALID / 16, Y_VALID)
    model.fit(X / 16, Y, epochs=9, validation_data=valid, callbacks=[backup, report], verbose=0)
    return model.evaluate(*valid, verbose=0, return_dict=True)["accuracy"]


if __name__ == "__main__":
    space = {"units": mh.Int(4, 256, log=True), "dropout": mh.Float(0, 0.8), "rate": mh.Float(1e-5, 0.1, log=True)}
    study = mh.tune(objective, space, direction="maximize", scheduler="asha", max_trials=12, seed=0)
    print(study.summary())
