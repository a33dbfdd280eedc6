"""The SIP door's endpoint and trunks, and what phones behind each trunk are offered."""

from collections.abc import Mapping

from bridge.configured.secret_file import read_secret_file
from bridge.errors import SettingsError
from bridge.ids import TrunkId
from bridge.negotiation import PhonePreferences
from bridge.negotiation.phone.section import Reach, reach_of
from bridge.negotiation.phone.transport import KeySource
from bridge.settings.settings import Settings
from bridge.settings.trunk import Trunk as TrunkSection
from bridge.transport.srtp_library import supported_suites
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.shell.tls_context import TlsContexts, TlsFiles, make_contexts
from signaling.sip.transaction.transaction import Timing
from signaling.sip.trunk.trunk import Trunk, Trunks


def configured_endpoint(settings: Settings) -> EndpointSettings:
    sip = settings.sip
    return EndpointSettings(
        address=sip.address,
        port=sip.port,
        tls_port=sip.tls_port,
        tls=_tls_contexts(settings),
        advertised_address=sip.advertised_address,
        transports=sip.transports,
        nameservers=sip.nameservers,
        stranger_treatment=sip.stranger_treatment,
        capture_file=sip.capture_file,
        capture_max_bytes=sip.capture_max_mb * 1_000_000,
        agent=AgentSettings(
            max_calls=sip.max_calls,
            timing=Timing(t1_s=sip.t1_s),
            trunks=Trunks([_trunk(trunk) for trunk in settings.all_trunks]),
            scanners=sip.scanners,
            destinations=sip.destinations,
            answers_unwanted=sip.stranger_treatment == "forbid",
        ),
    )


def _tls_contexts(settings: Settings) -> TlsContexts | None:
    sip = settings.sip
    if "tls" not in sip.transports:
        return None
    return make_contexts(
        TlsFiles(
            sip.certificate,
            sip.private_key,
            sip.authorities,
            sip.client_certificates,
            sip.client_authorities,
        )
    )


def _trunk(section: TrunkSection) -> Trunk:
    return Trunk(
        TrunkId(section.id),
        networks=section.networks,
        name=section.name,
        priority=section.priority,
        ping_s=section.ping_s,
        max_calls=section.max_calls,
        calls_per_second=section.calls_per_second,
        target=section.target,
        username=section.username,
        password=_password(section),
        authenticate=section.authenticate,
        digests=section.digests,
        trusted=section.trusted,
        session_expires_s=section.session_expires_s,
        reliable_provisional=section.reliable_provisional,
    )


def _password(section: TrunkSection) -> str:
    if not section.password_file:
        return ""
    password = read_secret_file(f"trunks.password_file of {section.id}", section.password_file)
    if not password:
        raise SettingsError(f"trunks.password_file of {section.id}: {section.password_file} is empty")
    return password


def configured_phones(settings: Settings, srtp_keys: KeySource) -> Mapping[TrunkId, PhonePreferences]:
    reach = reach_of(settings.rtp.advertised_address or settings.rtp.address)
    return {TrunkId(trunk.id): _phone_preferences(trunk, reach, srtp_keys) for trunk in settings.all_trunks}


def _phone_preferences(section: TrunkSection, reach: Reach, srtp_keys: KeySource) -> PhonePreferences:
    """What phones behind a trunk are offered."""
    return PhonePreferences(
        codecs=section.codecs,
        video_codecs=section.video_codecs,
        dtmf=section.dtmf != "inband",
        inband_dtmf=section.dtmf == "inband",
        info_dtmf=section.dtmf == "info",
        reach=reach,
        srtp=section.srtp,
        srtp_suites=supported_suites(),
        srtp_keys=srtp_keys,
    )
