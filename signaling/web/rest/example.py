"""One example for each body of the API, by the name of its schema; a test holds them against the schemas.

They tell one story: a caller disputes a payment, Alice talks with the caller and asks for a specialist, Eve.
"""

import json
from collections.abc import Mapping
from typing import Any

from bridge.desk.interaction.attributes import AttributesTooLargeError
from bridge.errors import (
    ConflictError,
    ForbiddenError,
    NotAllowedError,
    NotFoundError,
    ParseError,
    PlaneLostError,
    UnauthorizedError,
)
from signaling.web.http.problem import (
    IssuerError,
    PreconditionError,
    ReusedKeyError,
    TooManyRequestsError,
    refusal,
    status_of,
)

_INTERACTION_ID = "int_5f0c9a1e2b3d4c5f"
_CUSTOMER_ID, _ALICE_ID, _EVE_ID = "prt_1a2b3c4d5e6f7081", "prt_2b3c4d5e6f708192", "prt_3c4d5e6f708192a3"
_QUEUE_ID = "escalation-video"
_BEGAN, _NOW, _SOON = "2026-03-02T09:30:00Z", "2026-03-02T09:34:10Z", "2026-03-02T09:49:10Z"
_TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"

_ATTRIBUTES = {
    "escalation_reason": "Complex Case",
    "case_number": "12345",
    "priority": "High",
    "customer_video_capable": "false",
}


def _participant(participant_id: str, **changes: Any) -> dict[str, Any]:
    def both() -> dict[str, bool]:
        return {"send": True, "receive": True}

    neither = {"send": False, "receive": False}
    picture = changes.pop("picture", False)
    no_video = "" if picture else "the phone offered no video"
    return {
        "participantId": participant_id,
        "role": "agent",
        "type": "video" if picture else "voice",
        "state": "in-session",
        "userId": None,
        "name": "",
        "address": "",
        "muted": False,
        "heldByRemote": False,
        "sendsVideo": picture,
        "legIds": ["leg_" + participant_id.removeprefix("prt_")],
        "joinedAt": _BEGAN,
        "disconnectReason": "",
        "disconnectedBy": "",
        "queueId": None,
        "downgradeReason": "",
        "wrapUpBy": None,
        "wrapUpCode": "",
        "wrapUpNote": "",
        "capabilities": {
            "audio": both(),
            "video": both() if picture else neither,
            "screen": neither,
            "noVideo": no_video,
            "notShown": "",
        },
        "supervision": None,
        "companion": "",
        "diagnoses": [],
        **changes,
    }


_CALLER = _participant(_CUSTOMER_ID, role="customer", name="+4930123456", address="+4930123456")
_ALICE = _participant(_ALICE_ID, userId="alice", name="Alice", picture=True)
_EVE = _participant(
    _EVE_ID, userId="eve", name="Eve", role="sme", state="alerting", picture=True, legIds=[], joinedAt=_NOW
)
_INTERACTION = {
    "interactionId": _INTERACTION_ID,
    "state": "in-progress",
    "caller": "+4930123456",
    "called": "sip:service@bridge.example",
    "attributes": _ATTRIBUTES,
    "participants": [_CALLER, _ALICE, _EVE],
    "escalationInProgress": True,
    "createdAt": _BEGAN,
    "waitingSince": None,
    "endedAt": None,
    "endReason": "",
    "endedBy": "",
    "waitsIn": [],
    "callback": None,
    "transfer": None,
    "flows": [],
    "version": 7,
}
_CALLBACK = {
    "callbackId": "cbk_4d5e6f708192a3b4",
    "interactionId": _INTERACTION_ID,
    "queueId": _QUEUE_ID,
    "number": "+4930123456",
    "state": "waiting",
    "attempts": 0,
    "notBefore": _SOON,
    "requestedAt": _NOW,
    "requestedBy": "alice",
    "failure": "",
}
_QUEUE = {
    "queueId": _QUEUE_ID,
    "name": "Escalation - Video SME",
    "role": "sme",
    "skills": {"Video_Escalation": 3},
    "skillMatch": "all",
    "videoEnabled": True,
    "strategy": "longest-idle",
    "maxDepth": None,
    "timeoutS": 300.0,
    "wrapUpS": 60.0,
    "wrapUpCodes": ["Video Session Closed"],
    "answerTargetS": 20.0,
    "waiting": 1,
    "longestWaitS": 12.4,
    "entered": 120,
    "offered": 131,
    "answered": 112,
    "answeredInTarget": 98,
    "abandoned": 5,
    "overflowed": 2,
    "averageHandleS": 412.7,
    "averageWrapUpS": 38.1,
}
_USER = {
    "userId": "eve",
    "name": "Eve",
    "role": "sme",
    "presence": "ready",
    "busy": False,
    "since": _BEGAN,
    "status": "ready",
    "proved": True,
    "fault": "",
}
_WEBHOOK = {
    "webhookId": "whk_5f0c9a1e2b3d4c5f",
    "url": "https://crm.example/warmbridge",
    "events": ["interactionUpdated", "offerMade"],
    "description": "the CRM of the service desk",
    "active": True,
    "owner": "crm",
    "resting": "",
    "createdAt": _BEGAN,
}
_FLOW_RUN = {
    "flowRunId": "flow_5e6f708192a3b4c5",
    "flowId": "escalation",
    "kind": "escalation",
    "step": "seek",
    "startedBy": "alice",
    "trigger": "desktop",
    "startedAt": _NOW,
    "waitsUntil": None,
}
_SOMEBODY = {
    "userId": "eve",
    "type": "video",
    "role": "sme",
    "properties": {"case_number": "12345"},
    "secondExpert": False,
}

_ACCOUNT = {
    "userId": "eve",
    "name": "Eve Example",
    "email": "eve@example.org",
    "roles": ["sme"],
    "permissions": ["queue:write"],
    "scopes": ["interaction:read", "interaction:write", "queue:write", "routing:write"],
    "skills": {"Video_Escalation": 4},
    "video": True,
    "capacity": 1,
    "externalIds": ["crm:4711"],
    "disabled": False,
    "hasPassword": True,
    "configured": False,
    "version": 3,
}

REQUESTS: Mapping[str, Any] = {
    "Change": {"skills": {"Video_Escalation": 5}, "capacity": 2},
    "CancelCallbackBody": {"reason": "the customer wrote an e-mail"},
    "CancelTransferBody": {"reason": "it is solved"},
    "CompleteWrapUpBody": {"code": "Video Session Closed", "note": "refund on its way"},
    "ConsultParticipantBody": _SOMEBODY,
    "CreateCompanionLinkBody": {"participantId": _CUSTOMER_ID},
    "DeclareQueueBody": {
        "queue": {
            "queueId": _QUEUE_ID,
            "name": "Escalation - Video SME",
            "role": "sme",
            "skills": {"Video_Escalation": 3},
            "timeoutS": 300,
            "wrapUpS": 60,
            "wrapUpCodes": ["Video Session Closed"],
            "overflow": {"to": "queue", "depth": 5, "waitS": 180, "queueId": "escalation-voice"},
            "notifyDepth": 2,
        }
    },
    "InteractionAttributesChange": {"attributes": {"case_number": "12345"}},
    "InteractionChange": {"attributes": {"priority": "High"}},
    "NewAccount": {
        "userId": "eve",
        "name": "Eve Example",
        "roles": ["sme"],
        "permissions": ["queue:write"],
        "email": "eve@example.org",
        "skills": {"Video_Escalation": 4},
        "externalIds": ["crm:4711"],
    },
    "NewPassword": {"password": "correct horse battery staple"},
    "NewParticipant": {
        "participantId": "eve",
        "type": "video",
        "role": "agent",
        "state": "not-in-queue",
        "properties": {"escalation_reason": "Complex Case", "case_number": "12345"},
    },
    "OfferRefusal": {"reason": "lunch"},
    "ParticipantChange": {"muted": True},
    "PasswordChange": {
        "user": "alice",
        "password": "correct horse battery staple",
        "newPassword": "a better horse battery staple",
    },
    "PasswordSignIn": {"user": "alice", "password": "correct horse battery staple"},
    "PresenceWish": {"presence": "ready", "role": "sme"},
    "PromptWish": {"prompt": "connecting", "participantId": _CUSTOMER_ID},
    "ProveReadyBody": {"microphone": True, "camera": True, "ice": True, "detail": ""},
    "QueueInteractionBody": {"queueId": _QUEUE_ID},
    "Return": {"code": "SplxlOBeZQQYbYS6WxSbIA", "state": "5f0c9a1e2b3d4c5f", "iss": "https://login.example"},
    "Renewal": {"refreshToken": _TOKEN},
    "SendDigitsBody": {"digits": "2#"},
    "RequestCallbackBody": {"number": "+4930123456", "notBefore": _SOON, "reason": "asked for it"},
    "SetProfileBody": {
        "skills": {"Video_Escalation": 4},
        "video": True,
        "capacity": 1,
        "externalIds": ["crm:4711"],
    },
    "StartFlowBody": {"flowId": "escalation", "properties": {"case_number": "12345"}},
    "StopFlowBody": {"reason": "solved without a specialist"},
    "SuperviseInteractionBody": {"mode": "whisper", "participantId": _ALICE_ID},
    "TransferBlindBody": {**_SOMEBODY, "type": "voice"},
    "WebhookChange": {"active": False},
    "WebhookWish": {
        "url": "https://crm.example/warmbridge",
        "events": ["interactionUpdated", "offerMade"],
        "description": "the CRM of the service desk",
    },
}

ANSWERS: Mapping[str, Any] = {
    "Account": _ACCOUNT,
    "AccountsResult": {"accounts": [_ACCOUNT], "nextCursor": None},
    "Beginning": {
        "authorizationUrl": "https://login.example/authorize?client_id=warmbridge&state=5f0c9a1e2b3d4c5f",
        "state": "5f0c9a1e2b3d4c5f",
    },
    "AddedParticipant": {**_EVE, "interactionId": _INTERACTION_ID, "requestedParticipantId": "eve"},
    "Callback": _CALLBACK,
    "CallbacksResult": {"callbacks": [_CALLBACK]},
    "CompanionLink": {
        "linkId": "lnk_708192a3b4c5d6e7",
        "interactionId": _INTERACTION_ID,
        "participantId": _CUSTOMER_ID,
        "url": f"https://bridge.example/companion#{_TOKEN}",
        "token": _TOKEN,
        "expiresAt": _SOON,
    },
    "DeadLettersResult": {
        "deadLetters": [
            {
                "deliveryId": 88,
                "number": 4711,
                "part": 0,
                "event": "offerMade",
                "attempts": 12,
                "reason": "HTTP 500",
                "body": '{"event":"offerMade","number":4711}',
            }
        ]
    },
    "DeadNotificationsResult": {
        "deadNotifications": [
            {
                "notificationId": 7,
                "group": "experts",
                "address": "mailtos 3f2a9c1e",
                "subject": "Escalation - Video SME: 3 waiting",
                "text": "3 are waiting in Escalation - Video SME, the longest for 2:10.",
                "attempts": 5,
                "reason": "the mail server did not answer",
            }
        ]
    },
    "FlowRun": _FLOW_RUN,
    "FlowsResult": {
        "flows": [
            {
                "flowId": "escalation",
                "name": "Specialist",
                "kind": "escalation",
                "digits": "*9",
                "asksForVideo": True,
            }
        ]
    },
    "Interaction": _INTERACTION,
    "InteractionAttributes": {"attributes": _ATTRIBUTES},
    "Interactions": {"interactions": [_INTERACTION], "nextCursor": None},
    "NewWebhook": {**_WEBHOOK, "secret": "5f0c9a1e2b3d4c5f" * 4},
    "Participant": _ALICE,
    "Participants": {"participants": [_CALLER, _ALICE, _EVE]},
    "Sidebar": {
        "fields": [
            {"name": "case_number", "label": "Case", "choices": [], "settable": True},
            {"name": "priority", "label": "Priority", "choices": ["High", "Normal", "Low"], "settable": True},
        ],
        "others": False,
    },
    "Prompts": {"prompts": ["connecting", "music", "waiting"]},
    "Queue": _QUEUE,
    "QueuesResult": {"queues": [_QUEUE]},
    "SignInWays": {"password": True, "issuer": "https://login.example"},
    "SignedIn": {
        "userId": "alice",
        "name": "Alice Example",
        "scopes": ["interaction:read", "interaction:write", "routing:write"],
        "accessToken": _TOKEN,
        "expiresIn": 900,
        "refreshToken": _TOKEN,
        "refreshExpiresIn": 43_200,
    },
    "Timeline": {
        "timeline": [
            {
                "number": 4711,
                "at": _NOW,
                "event": "participant_added",
                "facts": {"participant_id": _EVE_ID, "role": "sme", "by": "alice"},
            }
        ],
        "nextAfter": None,
    },
    "TokenAnswer": {
        "access_token": _TOKEN,
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "interaction:read interaction:write",
    },
    "TokenTrouble": {
        "error": "invalid_client",
        "error_description": "no such client, or its secret is another one",
        "code": "invalid_client",
        "reason": "no such client, or its secret is another one",
    },
    "TraceResult": {
        "signals": [
            {
                "at": _BEGAN,
                "legId": "leg_1a2b3c4d5e6f7081",
                "received": True,
                "transport": "UDP",
                "remote": "192.0.2.20:5060",
                "summary": "INVITE sip:service@bridge.example",
                "text": "INVITE sip:service@bridge.example SIP/2.0\r\nCall-ID: 1@192.0.2.20\r\n\r\n",
            }
        ]
    },
    "TrunksResult": {
        "trunks": [
            {
                "trunkId": "carrier",
                "name": "The carrier",
                "target": "sip:trunk.example:5061;transport=tls",
                "state": "up",
                "calls": 12,
                "maxCalls": 60,
                "priority": 0,
            }
        ]
    },
    "User": _USER,
    "Users": {"users": [_USER]},
    "Webhook": _WEBHOOK,
    "WebhooksResult": {"webhooks": [_WEBHOOK]},
}

_REFUSALS = (
    ParseError("body.participantId: Field required"),
    UnauthorizedError("send a token: Authorization: Bearer …"),
    ForbiddenError("the token of crm lacks the scope interaction:write"),
    NotFoundError(f"no interaction {_INTERACTION_ID}"),
    NotAllowedError("eve takes no offers now: away"),
    PreconditionError(f'interaction {_INTERACTION_ID} is at "{_INTERACTION_ID}.8" by now: read it again'),
    AttributesTooLargeError(17_302, 16_384),
    ReusedKeyError("this Idempotency-Key was used for another request"),
    TooManyRequestsError("too many requests a second; this one was not carried out"),
    IssuerError("the issuer did not answer in time"),
    PlaneLostError("the media worker is being started"),
)
PROBLEMS: Mapping[str, Any] = {
    str(status_of(error)): json.loads(bytes(refusal(error).body)) for error in _REFUSALS
}
_SOUGHT = ConflictError("an escalation is in progress: eve is alerting")
CONFLICT = json.loads(bytes(refusal(_SOUGHT, participant=_EVE).body))
