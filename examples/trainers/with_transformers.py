"""Transformers: each epoch is reported, and a trial whose worker is lost goes on from the Trainer's own checkpoint.

The model has to tell which word of a sentence is the most frequent. It is small, begins from nothing and needs no
download.
"""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

import manyhands as mh


def sentences(n, seed):
    """Sentences of six words, with the word of 1 to 4 that is the most frequent."""
    words = torch.randint(1, 5, (n, 6), generator=torch.Generator().manual_seed(seed))
    return [{"input_ids": row, "labels": torch.bincount(row, minlength=5)[1:].argmax()} for row in words]


def objective(params, trial):
    """The cross entropy on held-out data after 9 epochs."""
    set_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertForSequenceClassification(BertConfig(vocab_size=5, num_labels=4, max_position_embeddings=6, **sizes))
    arguments = TrainingArguments(
        trial.checkpoint_dir,
        num_train_epochs=9,
        learning_rate=params["rate"],
        weight_decay=params["decay"],
        per_device_train_batch_size=32,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    report = mh.callbacks.TransformersCallback(trial, "eval_loss")
    data = {"train_dataset": sentences(800, 0), "eval_dataset": sentences(400, 1)}
    trainer = Trainer(model, arguments, callbacks=[report], **data)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(trial.checkpoint_dir))
    return trainer.evaluate()["eval_loss"]


if __name__ == "__main__":
    space = {"rate": mh.Float(1e-5, 0.1, log=True), "decay": mh.Float(1e-4, 0.3, log=True)}
    print(mh.tune(objective, space, scheduler="asha", max_trials=12, seed=0).summary())
