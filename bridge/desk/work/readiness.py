"""Steps of the proof that a desktop can take work: given again and again, and void when it is late."""

from bridge.desk import commands, events
from bridge.desk.centre.expert import Proof
from bridge.desk.step import Step
from bridge.ids import UserId

NO_PROOF = "the desktop did not prove itself in time"
NO_PROOF_YET = "the desktop is still being checked, ask again in a moment"


def prove_ready(step: Step, command: commands.ProveReady) -> None:
    """What the desktop found out about itself. Raises NotFoundError before the user's first `SetPresence`.

    Without microphone and media path it is offered nothing; without a camera nothing with video.
    """
    expert = step.state.expert(command.user_id)
    fault = _fault(command)
    if fault:
        step.state.proofs.pop(command.user_id, None)
    else:
        expires_at = step.now + (step.policy.proof_s or 0.0)
        step.state.proofs[command.user_id] = Proof(expires_at, command.camera)
        if step.policy.proof_s:
            step.wake_at(expires_at)
    reason = fault or ("" if command.camera else f"no camera{_words(command.detail)}")
    if (expert.proved, expert.fault) != (not fault, reason):
        step.record(events.ReadinessChanged(step.now, command.user_id, not fault, reason))


def expire_proofs(step: Step) -> None:
    if not step.policy.proof_s:
        return
    for user_id, proof in tuple(step.state.proofs.items()):
        if proof.expires_at <= step.now:
            void_proof(step, user_id, NO_PROOF)


def void_proof(step: Step, user_id: UserId, reason: str) -> None:
    """Nothing more is offered there until the next proof."""
    step.state.proofs.pop(user_id, None)
    expert = step.state.experts.get(user_id)
    if expert is not None and expert.proved:
        step.record(events.ReadinessChanged(step.now, user_id, proved=False, reason=reason))


def _fault(command: commands.ProveReady) -> str:
    checks = {"microphone": command.microphone, "media path (ICE)": command.ice}
    missing = [name for name, works in checks.items() if not works]
    return f"no {' and no '.join(missing)}{_words(command.detail)}" if missing else ""


def _words(detail: str) -> str:
    return f": {detail}" if detail else ""
