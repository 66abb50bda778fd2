//! Symphonia's decoders for WebAssembly: one decoder an instance, packets in, planar float samples out.
//!
//! The caller writes into the memory at `input(bytes)`, then calls `open` once and `decode` for each packet. Both return a
//! negative number for an error, whose text `message` gives. A panic is a trap: the instance is then to be dropped.
use std::cell::UnsafeCell;

use symphonia_core::audio::Channels;
use symphonia_core::codecs::audio::well_known::*;
use symphonia_core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::codecs::registry::RegisterableAudioDecoder;
use symphonia_core::errors::{Error, Result};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

#[derive(Default)]
struct State {
    input: Vec<u8>,
    decoder: Option<Box<dyn AudioDecoder>>,
    samples: Vec<f32>,
    channels: u32,
    rate: u32,
    message: String,
}

struct Single(UnsafeCell<Option<State>>);
// WebAssembly without threads.
unsafe impl Sync for Single {}
static STATE: Single = Single(UnsafeCell::new(None));

#[allow(clippy::mut_from_ref)]
fn state() -> &'static mut State {
    unsafe { (*STATE.0.get()).get_or_insert_with(State::default) }
}

/// Makes room for bytes to be decoded, and says where.
#[unsafe(no_mangle)]
pub extern "C" fn input(bytes: usize) -> *mut u8 {
    let input = &mut state().input;
    input.resize(bytes, 0);
    input.as_mut_ptr()
}

/// Opens a decoder with the codec's private data, which stands in `input`.
#[unsafe(no_mangle)]
pub extern "C" fn open(codec: u32, rate: u32, channels: u32) -> i32 {
    let state = state();
    let mut params = AudioCodecParameters::new();
    params.with_sample_rate(rate).with_channels(Channels::Discrete(channels as u16));
    if !state.input.is_empty() {
        params.with_extra_data(state.input.clone().into_boxed_slice());
    }
    match make(codec, params) {
        Ok(decoder) => {
            state.decoder = Some(decoder);
            0
        }
        Err(error) => fail(state, error),
    }
}

/// Decodes the packet in `input`. Returns the number of samples a channel.
#[unsafe(no_mangle)]
pub extern "C" fn decode() -> i32 {
    let state = state();
    let Some(decoder) = state.decoder.as_mut() else { return -1 };
    let packet = PacketRef::new(0, Timestamp::default(), Duration::ZERO, &state.input);
    match decoder.decode_ref(&packet) {
        Ok(sound) => {
            let (frames, planes) = (sound.frames(), sound.num_planes());
            state.rate = sound.spec().rate();
            state.channels = planes as u32;
            state.samples.resize(frames * planes, 0.0);
            if frames > 0 {
                let mut parts: Vec<&mut [f32]> = state.samples.chunks_exact_mut(frames).collect();
                sound.copy_to_slice_planar(&mut parts);
            }
            frames as i32
        }
        Err(error) => fail(state, error),
    }
}

/// Where the samples are: those of the first channel, then those of the second…
#[unsafe(no_mangle)]
pub extern "C" fn samples() -> *const f32 {
    state().samples.as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn channels() -> u32 {
    state().channels
}

#[unsafe(no_mangle)]
pub extern "C" fn rate() -> u32 {
    state().rate
}

#[unsafe(no_mangle)]
pub extern "C" fn message() -> *const u8 {
    state().message.as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn message_bytes() -> usize {
    state().message.len()
}

fn fail(state: &mut State, error: Error) -> i32 {
    state.message = error.to_string();
    -1
}

/// The numbers are those of CODECS in symphonia.ts.
fn make(codec: u32, mut params: AudioCodecParameters) -> Result<Box<dyn AudioDecoder>> {
    const PCM: [AudioCodecId; 14] = [
        CODEC_ID_PCM_U8,
        CODEC_ID_PCM_S8,
        CODEC_ID_PCM_S16LE,
        CODEC_ID_PCM_S16BE,
        CODEC_ID_PCM_S24LE,
        CODEC_ID_PCM_S24BE,
        CODEC_ID_PCM_S32LE,
        CODEC_ID_PCM_S32BE,
        CODEC_ID_PCM_F32LE,
        CODEC_ID_PCM_F32BE,
        CODEC_ID_PCM_F64LE,
        CODEC_ID_PCM_F64BE,
        CODEC_ID_PCM_ALAW,
        CODEC_ID_PCM_MULAW,
    ];
    let options = AudioDecoderOptions::default();
    match codec {
        0 => symphonia_codec_aac::AacDecoder::try_registry_new(params.for_codec(CODEC_ID_AAC), &options),
        1 => symphonia_codec_alac::AlacDecoder::try_registry_new(params.for_codec(CODEC_ID_ALAC), &options),
        2 => symphonia_codec_vorbis::VorbisDecoder::try_registry_new(params.for_codec(CODEC_ID_VORBIS), &options),
        3 => symphonia_bundle_flac::FlacDecoder::try_registry_new(params.for_codec(CODEC_ID_FLAC), &options),
        4 => symphonia_bundle_mp3::MpaDecoder::try_registry_new(params.for_codec(CODEC_ID_MP3), &options),
        5 => symphonia_bundle_mp3::MpaDecoder::try_registry_new(params.for_codec(CODEC_ID_MP2), &options),
        _ => match PCM.get(codec.wrapping_sub(6) as usize) {
            Some(id) => symphonia_codec_pcm::PcmDecoder::try_registry_new(params.for_codec(*id), &options),
            None => Err(Error::Unsupported("codec")),
        },
    }
}
