"""Training as it is where the configuration says no more."""

CONSTANT = {
    "optimiser": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warm_up": 0.0,
    "milestones": [],
    "factor": None,
    "label_smoothing": 0.0,
    "gradient_clipping": None,
    "augmentation": [],
    "keep_epochs": [],
    "keep_steps": [],
}
