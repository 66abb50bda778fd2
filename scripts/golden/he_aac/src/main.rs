//! HE-AAC by the Fraunhofer encoder: he_aac 5|29 RATE CHANNELS BITS_PER_SECOND < s16le > aac (5: HE-AAC, 29: version 2)
//! See he_aac.sh.
use fdk_aac::enc::{AudioObjectType, BitRate, ChannelMode, Encoder, EncoderParams, Transport};
use std::io::{Read, Write};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize| arguments[i].parse::<u32>().unwrap();
    let stereo = number(3) == 2;
    let encoder = Encoder::new(EncoderParams {
        bit_rate: BitRate::Cbr(number(4)),
        sample_rate: number(2),
        transport: Transport::Adts,
        channels: if stereo { ChannelMode::Stereo } else { ChannelMode::Mono },
        audio_object_type: if number(1) == 5 { AudioObjectType::Mpeg4HeAac } else { AudioObjectType::Mpeg4HeAacV2 },
    })
    .unwrap();
    let mut bytes = vec![];
    std::io::stdin().read_to_end(&mut bytes).unwrap();
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    let frame = encoder.info().unwrap().frameLength as usize * number(3) as usize;
    let mut out = vec![0u8; 8192];
    let mut at = 0;
    while at < samples.len() {
        let result = encoder.encode(&samples[at..(at + frame).min(samples.len())], &mut out).unwrap();
        at += result.input_consumed.max(1);
        std::io::stdout().write_all(&out[..result.output_size]).unwrap();
    }
}
