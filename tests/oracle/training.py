"""Training with given gates in PyTorch, and the rule by which another float32 program is compared with it.

A float32 run drifts from a float64 run by itself, so "the same numbers" has a meaning only relative to that drift: another program may be
ALLOWANCE times as far from PyTorch in float64 as PyTorch in float32 is on the same run.
"""
import copy

import numpy as np
import torch
from torch.nn.functional import cross_entropy

import models

ALLOWANCE = 20
FIRST_LOSS_TOLERANCE = 1e-5  # relative, float32 against float64 before anything has drifted
SKIP_UPDATES = ("as-code", "frozen")
SCALINGS = ("test", "train")


def run(net, initial, dtype, batches, labels, gates, survival, rates, skip_update, scaling, momentum=0.9, decay=1e-4, snapshots=(),
        autocast=False):
    """SGD with Nesterov momentum and weight decay on every parameter, one step per batch.

    PyTorch's optimizer is the oracle for both policies, which differ in the gradient that a skipped block's parameters show it:
    as-code: a zero gradient, so that weight decay and momentum still move them;
    frozen: none at all, which makes PyTorch leave the parameter and its momentum alone for this step.

    @param autocast  whether the network runs under torch.autocast to bfloat16, as PyTorch's users train with it
    @param batches  NCHW float32 arrays.   @param gates  0/1 per block, one row per step (None: all open).   @param rates  a rate per step.
    Returns (losses as float64, {steps done: state} for the steps in `snapshots`, the net).
    """
    net = copy.deepcopy(net).to(dtype).train()
    models.load(net, initial)
    sgd = torch.optim.SGD(net.parameters(), lr=rates[0], momentum=momentum, weight_decay=decay, nesterov=True)
    losses, states = [], {}
    for step, (batch, label) in enumerate(zip(batches, labels)):
        sgd.param_groups[0]["lr"] = rates[step]
        sgd.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = net(torch.from_numpy(batch).to(dtype), None if gates is None else gates[step], survival, scaling)
            loss = cross_entropy(logits, torch.from_numpy(np.asarray(label, np.int64)))
        loss.backward()
        if skip_update == "as-code":
            for parameter in net.parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        sgd.step()
        losses.append(loss.item())
        if step + 1 in snapshots:
            states[step + 1] = models.state(net)
    return np.array(losses), states, net


def relative(value, truth):
    """Relative L2 distance of two arrays, in float64."""
    value, truth = np.asarray(value, np.float64).ravel(), np.asarray(truth, np.float64).ravel()
    return float(np.linalg.norm(value - truth) / max(np.linalg.norm(truth), 1e-300))


def flat(tensors, statistics):
    """All parameters (or all running statistics) of a state in one vector, by name."""
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors) if (".running_" in name) == statistics])


def distances(state, truth):
    """Relative L2 distance of all parameters together, and of all running statistics together."""
    return tuple(relative(flat(state, part), flat(truth, part)) for part in (False, True))
