#!/usr/bin/python3
"""One training step of a DeepSeek-V3-architecture model in PyTorch on the CPU: what bench/train_compare.sh holds hadal against.

The same shape, losses and optimizer as `hadal train pretrain`: latent attention, sigmoid router with a bias that follows the
load, shared expert, multi-token-prediction module, AdamW in float32; matrix products in bfloat16 under autocast, as
PyTorch users train on a CPU. Experts take their rows by index, the usual way. Prints tokens per second of each step.

usage: train_pytorch.py CONFIG.json SEQUENCES SEQUENCE_ROWS STEPS THREADS [bf16|f32] [MICRO_SEQUENCES]
"""
import json
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Norm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotate(x, cosine, sine):
    """x [batch, heads, rows, dim], interleaved pairs"""
    a, b = x.float()[..., 0::2], x.float()[..., 1::2]
    return torch.stack((a * cosine - b * sine, a * sine + b * cosine), -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.nope, self.rope, self.value = (
            c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"])
        self.rank = c["kv_lora_rank"]
        width, epsilon = c["hidden_size"], c["rms_norm_eps"]
        self.q_a = nn.Linear(width, c["q_lora_rank"], bias=False)
        self.q_norm = Norm(c["q_lora_rank"], epsilon)
        self.q_b = nn.Linear(c["q_lora_rank"], self.heads * (self.nope + self.rope), bias=False)
        self.kv_a = nn.Linear(width, self.rank + self.rope, bias=False)
        self.kv_norm = Norm(self.rank, epsilon)
        self.kv_b = nn.Linear(self.rank, self.heads * (self.nope + self.value), bias=False)
        self.out = nn.Linear(self.heads * self.value, width, bias=False)

    def forward(self, x, cosine, sine, mask):
        batch, rows, _ = x.shape
        q = self.q_b(self.q_norm(self.q_a(x))).view(batch, rows, self.heads, -1).transpose(1, 2)
        latent = self.kv_a(x)
        kv = self.kv_b(self.kv_norm(latent[..., :self.rank])).view(batch, rows, self.heads, -1).transpose(1, 2)
        k_rope = rotate(latent[..., self.rank:].unsqueeze(1), cosine, sine).expand(-1, self.heads, -1, -1)
        q = torch.cat((q[..., :self.nope].float(), rotate(q[..., self.nope:], cosine, sine)), -1)
        k = torch.cat((kv[..., :self.nope].float(), k_rope), -1)
        score = torch.matmul(q, k.transpose(2, 3)) * (self.nope + self.rope) ** -0.5
        p = torch.softmax(score.float() + mask, -1)
        y = torch.matmul(p, kv[..., self.nope:])
        return self.out(y.transpose(1, 2).reshape(batch, rows, -1))


class Gated(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.used, self.scale = c["num_experts_per_tok"], c["routed_scaling_factor"]
        self.router = nn.Linear(c["hidden_size"], c["n_routed_experts"], bias=False)
        self.register_buffer("bias", torch.zeros(c["n_routed_experts"]))
        self.expert = nn.ModuleList(
            Gated(c["hidden_size"], c["moe_intermediate_size"]) for _ in range(c["n_routed_experts"]))
        self.shared = Gated(c["hidden_size"], c["moe_intermediate_size"] * c["n_shared_experts"])
        self.load = None

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        with torch.autocast("cpu", enabled=False):
            score = torch.sigmoid(self.router(flat.float()))
        choice = torch.topk(score + self.bias, self.used, -1).indices
        weight = score.gather(1, choice)
        weight = weight / (weight.sum(-1, keepdim=True) + 1e-20) * self.scale
        self.load = torch.bincount(choice.flatten(), minlength=len(self.expert))
        y = torch.zeros_like(flat, dtype=torch.float32)
        for e, expert in enumerate(self.expert):
            row, slot = torch.where(choice == e)
            if len(row):
                y = y.index_add(0, row, expert(flat[row]).float() * weight[row, slot, None])
        share = score / score.sum(-1, keepdim=True)
        balance = (self.load / flat.shape[0] * len(self.expert) / self.used * share.mean(0)).sum()
        return (y + self.shared(flat)).view_as(x), balance


class Layer(nn.Module):
    def __init__(self, c, dense):
        super().__init__()
        self.dense = dense
        self.attention_norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.attention = Attention(c)
        self.ffn_norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.ffn = Gated(c["hidden_size"], c["intermediate_size"]) if dense else Experts(c)

    def forward(self, x, *rest):
        x = x + self.attention(self.attention_norm(x), *rest)
        y = self.ffn(self.ffn_norm(x))
        return (x + y, 0.0) if self.dense else (x + y[0], y[1])


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, epsilon = c["hidden_size"], c["rms_norm_eps"]
        self.rope, self.theta = c["qk_rope_head_dim"], c["rope_theta"]
        self.embed = nn.Embedding(c["vocab_size"], width)
        self.layers = nn.ModuleList(Layer(c, i < c["first_k_dense_replace"]) for i in range(c["num_hidden_layers"]))
        self.norm, self.head = Norm(width, epsilon), nn.Linear(width, c["vocab_size"], bias=False)
        self.embed_norm, self.hidden_norm = Norm(width, epsilon), Norm(width, epsilon)
        self.project = nn.Linear(2 * width, width, bias=False)
        self.module, self.module_norm = Layer(c, False), Norm(width, epsilon)

    def forward(self, token, target, weights, balance_weight=1e-4):
        rows = token.shape[1]
        angle = torch.outer(torch.arange(rows).float(),
                            self.theta ** (-torch.arange(0, self.rope, 2).float() / self.rope))
        cosine, sine = angle.cos(), angle.sin()
        mask = torch.full((rows, rows), float("-inf")).triu(1)
        x, balance = self.embed(token), 0.0
        for layer in self.layers:
            x, more = layer(x, cosine, sine, mask)
            balance = balance + more
        x = self.norm(x)
        loss = F.cross_entropy(self.head(x).float().flatten(0, 1), target.flatten())
        pair = torch.cat((self.embed_norm(self.embed(token[:, 1:])), self.hidden_norm(x[:, :-1])), -1)
        y, _ = self.module(self.project(pair), cosine[1:], sine[1:], mask[1:, 1:])
        mtp = F.cross_entropy(self.head(self.module_norm(y)).float().flatten(0, 1), target[:, 1:].flatten())
        return (loss + weights * mtp + balance_weight * balance), loss.detach()


def main():
    with open(sys.argv[1]) as file:
        config = json.load(file)
    sequences, rows, steps, threads = map(int, sys.argv[2:6])
    bf16 = sys.argv[6:7] != ["f32"]
    micro = int(sys.argv[7]) if len(sys.argv) > 7 else sequences
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Model(config)
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, std=0.02)
    adam = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)
    print("parameters", sum(p.numel() for p in model.parameters()), file=sys.stderr)
    data = torch.randint(config["vocab_size"], (steps, sequences, rows + 1))
    for step in range(steps):
        begin = time.perf_counter()
        total = 0.0
        for part in data[step].split(micro):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                loss, shown = model(part[:, :-1], part[:, 1:], 0.3)
            (loss * len(part) / sequences).backward()
            total += shown.item() * len(part) / sequences
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, Experts):
                    module.bias -= 1e-3 * torch.sign(module.load - module.load.float().mean())
        seconds = time.perf_counter() - begin
        print(f"step {step + 1}  loss {total:.4f}  {sequences * rows / seconds:.0f} tokens/s", flush=True)


main()
