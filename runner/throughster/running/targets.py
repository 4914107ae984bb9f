"""Who is asked: a provider entry of a spec with its addresses, limits and policy; and the model that judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from throughster.running.rows import content_hash
from throughster.spec.provider import greedy_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.client import Calls
    from throughster.emulator import Answers
    from throughster.running.rows import Row
    from throughster.settings import Address
    from throughster.spec import Spec
    from throughster.spec.model import GraderSpec, ProviderSpec
    from throughster.types import Limits, Price, Retry, Timeout, Usage

__all__ = ["GraderPlan", "Target", "share_of", "target_of"]

_SEEDS = 2**63  # a seed has at most 63 bits; after the largest comes 0


@dataclass(frozen=True)
class Target:
    """One provider entry of a spec: whom every row is asked of."""

    label: str
    provider: str
    model: str | None
    deployment: str | None
    fields: Mapping[str, Any]
    addresses: tuple[Address, ...]
    weights: tuple[float, ...]
    limits: Limits
    timeout: Timeout
    retry: Retry
    digest: int
    endpoint: str = "chat/completions"
    answers: Answers | None = None
    cache: Literal["off", "read", "write", "on"] = "off"

    @property
    def is_sampled(self) -> bool:
        """Whether a repeat is an answer of its own."""
        return greedy_field(self.fields) is None

    def fields_of(self, repeat: int) -> Mapping[str, Any]:
        """The fields of a request. A seed that is given is another for each repeat, or all would be the same."""
        seed = self.fields.get("seed")
        if not isinstance(seed, int) or not repeat:
            return self.fields
        following = seed + repeat
        return {**self.fields, "seed": following if following < _SEEDS else following - _SEEDS}

    def digest_of(self, row: Row) -> int:
        """64 bits of everything that is asked with this row."""
        return self.digest ^ row.content

    def client(self) -> Calls:
        """A client; where there are several deployments, a balancer of one for each."""
        from throughster.balance import LoadBalancer  # with the network, which a check of the spec does not need
        from throughster.client import CLIENTS
        from throughster.exchanges import Cache

        cache = None if self.cache == "off" else Cache(mode=self.cache)
        clients = [
            CLIENTS[self.provider](
                address=address,
                limits=self.limits,
                timeout=self.timeout,
                retry=self.retry,
                endpoint=self.endpoint,
                answers=self.answers,
                cache=cache,
            )
            for address in self.addresses
        ]
        if len(clients) == 1:
            return clients[0]
        strategy: Literal["weighted", "least_busy"] = "weighted" if len(set(self.weights)) > 1 else "least_busy"
        return LoadBalancer(clients, strategy=strategy, weights=self.weights)

    def part(self, n: int, count: int) -> Target:
        """With the `n`-th of so many shares of the limits: for one of several processes."""
        return replace(self, limits=share_of(self.limits, n, count))

    @property
    def price(self) -> Price | None:
        """Of the first deployment."""
        return self.addresses[0].price

    def cost_usd(self, usage: Usage | None, deployment: str | None = None) -> float | None:
        """What the tokens cost at the deployment that answered, or None where the spec names no price."""
        price = next((at.price for at in self.addresses if at.deployment == deployment), self.price)
        return None if usage is None or price is None else price.cost_usd(usage)

    def prompt_cost_usd(self, tokens: int) -> float | None:
        return None if self.price is None else tokens * self.price.input / 1e6


@dataclass(frozen=True)
class GraderPlan:
    """What the model that judges is made of; see `running.grader`."""

    spec: GraderSpec
    address: Address
    timeout: Timeout
    retry: Retry


def target_of(
    spec: Spec,
    provider: ProviderSpec,
    addresses: tuple[Address, ...],
    answers: Answers | None,
    facts: Mapping[str, Any],
) -> Target:
    """`facts`: what is asked of every target, for the digest."""
    models = dict.fromkeys(address.model for address in addresses)
    model = provider.model or (addresses[0].model if len(models) == 1 else None)
    return Target(
        label=provider.label or f"{provider.name}:{model or '+'.join(str(m) for m in models)}",
        provider=provider.name,
        model=model,
        deployment=addresses[0].deployment if len(addresses) == 1 else None,
        fields=dict(provider.params),
        addresses=addresses,
        weights=tuple(deployment.weight for deployment in provider.deployments or ()),
        limits=spec.concurrency,
        timeout=spec.timeout,
        retry=spec.retry,
        digest=content_hash(
            {
                **facts,
                "provider": provider.name,
                "endpoint": provider.endpoint,
                "models": sorted({address.model or "" for address in addresses}),
                "fields": provider.params,
            }
        ),
        endpoint=provider.endpoint,
        answers=answers,
        cache=spec.cache,
    )


def share_of(limits: Limits, n: int, count: int) -> Limits:
    """The `n`-th of `count` shares; each has a place at least, so that it can ask at all."""

    def share(per_minute: float | None) -> float | None:
        return None if per_minute is None else per_minute / count

    return limits.model_copy(
        update={
            "max_in_flight": max(1, (limits.max_in_flight + n) // count),
            "requests_per_minute": share(limits.requests_per_minute),
            "tokens_per_minute": share(limits.tokens_per_minute),
        }
    )
