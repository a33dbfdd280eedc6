"""The step that plays a prompt, and the prompt of the one that waits."""

from bridge.desk import events
from bridge.desk.centre.flow import Outcome
from bridge.desk.flow.scene import Entered, Scene, one_of
from bridge.desk.interaction.participant import Participant
from bridge.ids import PromptId

PROMPT_S = 60.0  # a prompt whose end nobody reports holds a flow up no longer


def play_prompt(scene: Scene) -> Entered:
    role = scene.flow_step.participant
    participant = None if role is None else one_of(scene.interaction.participants, role)
    if role is not None and participant is None:
        return Entered(Outcome.FAILURE, f"there is no {role}")
    prompt_id = start_prompt(scene, participant)
    return Entered(subject=prompt_id, due_s=scene.flow_step.timeout_s or PROMPT_S)


def start_prompt(scene: Scene, participant: Participant | None) -> PromptId:
    prompt_id = scene.step.ids.prompt()
    listener = participant.participant_id if participant is not None else None
    scene.step.record(
        events.PromptStarted(scene.step.now, scene.id_, prompt_id, listener, scene.flow_step.prompt)
    )
    return prompt_id


def stop_prompt(scene: Scene, _reason: str) -> None:
    role = scene.flow_step.participant
    participant = None if role is None else one_of(scene.interaction.participants, role)
    listener = participant.participant_id if participant is not None else None
    prompt_id = PromptId(scene.run.subject)
    scene.step.record(events.PromptStopped(scene.step.now, scene.id_, prompt_id, listener))
