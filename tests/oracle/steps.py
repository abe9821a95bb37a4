"""What PyTorch's optimizers do to 35 numbers with given gradients, and what its losses are: see make_oracles.py for what is in the files."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss

STEPS = 10
SIZES, BLOCKS = (18, 4, 4, 9), (None, 0, 1, None)  # trunk, two residual blocks, trunk
POLICIES = ("as_code", "frozen")


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                update = (group["betas"][0] * m + (1 - group["betas"][0]) * p.grad).sign()
                p -= group["lr"] * (update + group["weight_decay"] * p)
                m.mul_(group["betas"][1]).add_((1 - group["betas"][1]) * p.grad)


# The names that the optimizers give their state, and ours.
OPTIMIZERS = {
    "SGD": (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True), {"momentum_buffer": "momentum"}),
    "AdamW": (lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1),
              {"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}),
    "Lion": (lambda p: Lion(p, lr=0.01, betas=(0.6, 0.8), weight_decay=0.1), {"exp_avg": "exp_avg"}),
}


def cut(numbers):
    return torch.split(torch.as_tensor(np.asarray(numbers, np.float64)), SIZES)


def run(name, policy, init, gradients, gates):
    """Weights after each step, and the state after the last."""
    make, states = OPTIMIZERS[name]
    parameters = [torch.nn.Parameter(part.clone()) for part in cut(init)]
    optimizer = make(parameters)
    after = []
    for gradient, open_blocks in zip(gradients, gates):
        for p, part, block in zip(parameters, cut(gradient), BLOCKS):
            closed = block is not None and not open_blocks[block]
            p.grad = (torch.zeros_like(p) if policy == "as_code" else None) if closed else part.clone()
        optimizer.step()
        after.append(torch.cat([p.detach() for p in parameters]).numpy())
    state = {ours: torch.cat([optimizer.state[p][theirs].detach() for p in parameters]).numpy() for theirs, ours in states.items()}
    return np.array(after), state


def optimizers(rng):
    count = sum(SIZES)
    init = rng.standard_normal(count).astype(np.float32)
    gradients = rng.standard_normal((STEPS, count)).astype(np.float32)
    gates = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 1], [0, 1], [1, 0], [0, 0], [1, 1], [0, 1]])  # block 1 begins closed
    tensors = {"init": init, "gradients": gradients, "gates": gates}
    for name in OPTIMIZERS:
        for policy in POLICIES:
            tensors[f"{name}.{policy}"], state = run(name, policy, init, gradients, gates)
            tensors.update({f"{name}.{policy}.{key}": value for key, value in state.items()})
    parameter = torch.nn.Parameter(torch.as_tensor(init.astype(np.float64)))
    parameter.grad = torch.as_tensor(gradients[1].astype(np.float64))
    tensors["clip.norm"] = [torch.nn.utils.clip_grad_norm_([parameter], 1.5).item()]
    tensors["clip.gradients"] = parameter.grad.numpy()
    model = torch.nn.Linear(count, 1, bias=False).double()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for weights in tensors["SGD.as_code"]:
        with torch.no_grad():
            model.weight.copy_(torch.as_tensor(weights)[None])
        average.update_parameters(model)
    tensors["average"] = average.module.weight.detach().numpy().ravel()
    return tensors


def losses(rng):
    images, outputs = 6, 5
    x = (3 * rng.standard_normal((images, outputs))).astype(np.float32)
    labels = rng.integers(0, outputs, images)
    probabilities = rng.dirichlet(np.ones(outputs), images).astype(np.float32)
    numbers = rng.standard_normal((images, outputs)).astype(np.float32)
    masses = (probabilities * rng.uniform(0.5, 2, (images, 1))).astype(np.float32)
    tensors = {"outputs": x, "labels": labels, "probabilities": probabilities, "masses": masses, "numbers": numbers}
    double = lambda array: torch.as_tensor(array.astype(np.float64))
    cases = {
        "labels": lambda z: cross_entropy(z, torch.as_tensor(labels)),
        "smoothed": lambda z: cross_entropy(z, torch.as_tensor(labels), label_smoothing=0.1),
        "soft": lambda z: cross_entropy(z, double(probabilities)),
        "soft_smoothed": lambda z: cross_entropy(z, double(probabilities), label_smoothing=0.2),
        "masses_smoothed": lambda z: cross_entropy(z, double(masses), label_smoothing=0.2),  # that do not add up to 1
        "squared": lambda z: mse_loss(z, double(numbers)),
    }
    for name, loss_of in cases.items():
        z = double(x).requires_grad_()
        loss = loss_of(z)
        loss.backward()
        tensors[f"{name}.loss"] = [loss.item()]
        tensors[f"{name}.gradient"] = z.grad.numpy()
    return tensors
