//! Words a script as a caption: dense, medium or short, in several surface forms.
//!
//! [`Mix::First`] keeps the surface forms that the first models were trained on, the first four of each list;
//! [`Mix::Whole`] has at least six. The language is regular on purpose: it is what the model learns, and [`crate::grounding`] reads every sentence of it
//! back. A caption carries the slots that it states. Same script, detail and form seed: same caption.

mod words;

use std::ops::Range;

pub use words::{CAPTION_WORDS, caption_words, caption_words_of, mix_of_words, word_id};

use crate::random::Random;
use crate::script::{Member, Outfit, Script, Shot};
use crate::slots::{PartialMember, PartialScript};
use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Crowd, Expression, Facing, Ground, Kind, Lane, Light,
    Material, Mix, Place, Relation, Size, Subject, Term, Top, Weather,
};

/// Surface forms of each kind of sentence in [`Mix::First`].
const FIRST_FORMS: usize = 4;

/// How much a caption tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// 40 to 90 words, in [`Mix::Whole`] 60 to 120: all that a viewer can see.
    Dense,
    /// 15 to 30 words: subject, action, place, light and some more.
    Medium,
    /// 6 to 12 words: subject and action.
    Short,
}

impl Detail {
    /// Fewest and most words of a caption of one shot in a mix.
    pub const fn words(self, mix: Mix) -> (usize, usize) {
        match (self, mix) {
            (Self::Dense, Mix::First) => (40, 90),
            (Self::Dense, Mix::Whole) => (60, 120),
            (Self::Medium, _) => (15, 30),
            (Self::Short, _) => (6, 12),
        }
    }
}

/// A sentence, and when it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// The sentence, with its full stop.
    pub text: String,
    /// Position of the shot that it describes.
    pub shot: usize,
    /// Start of the shot that it describes, seconds from the start of the clip.
    pub start_secs: f32,
    /// End of that shot.
    pub end_secs: f32,
}

/// A caption, and what it states.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The sentences, in order.
    pub sentences: Vec<Sentence>,
    /// The slots of the first shot that the sentences state.
    pub slots: PartialScript,
    /// The slots that the sentences of each shot state.
    pub shots: Vec<PartialScript>,
}

impl Caption {
    /// The sentences of one shot, with a space between.
    ///
    /// # Panics
    /// if the script has no such shot
    pub fn shot_text(&self, shot: usize) -> String {
        assert!(shot < self.shots.len(), "shot {shot} of {}", self.shots.len());
        let of_shot = self.sentences.iter().filter(|sentence| sentence.shot == shot);
        of_shot.map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// All sentences, with a space between.
    pub fn text(&self) -> String {
        self.sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The words of a text and the bytes that they take, as the learned word embedding counts them.
pub fn word_spans(text: &str) -> Vec<(Range<usize>, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '\'';
    let mut spans = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (is_word(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                spans.push((from..at, &text[from..at]));
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    if let Some(from) = start {
        spans.push((from..text.len(), &text[from..]));
    }
    spans
}

impl Script {
    /// Words the script with the surface forms of its mix ([`Script::mix`]); `form` seeds the choice among them.
    ///
    /// # Panics
    /// if the script is not valid ([`Script::validate`])
    pub fn caption(&self, detail: Detail, form: u64) -> Caption {
        self.caption_in(self.mix(), detail, form)
    }

    /// Words the script with the surface forms of a mix; `form` seeds the choice among them.
    ///
    /// # Panics
    /// if the script is not valid ([`Script::validate`])
    pub fn caption_in(&self, mix: Mix, detail: Detail, form: u64) -> Caption {
        let mut sentences = Vec::new();
        let mut shots = Vec::with_capacity(self.shots.len());
        let mut start_frame = 0;
        for (idx, shot) in self.shots.iter().enumerate() {
            let end_frame = start_frame + shot.frames;
            let mut stated = PartialScript::default();
            let speaker = Speaker {
                mix,
                script: self,
                shot,
                seed: form,
                name: format!("{}/{idx}/{detail:?}", self.seed),
            };
            for text in speaker.tell(detail, &mut stated) {
                sentences.push(Sentence {
                    text,
                    shot: idx,
                    start_secs: self.secs(start_frame),
                    end_secs: self.secs(end_frame),
                });
            }
            shots.push(stated);
            start_frame = end_frame;
        }
        let slots = shots.first().cloned().unwrap_or_default();
        Caption { sentences, slots, shots }
    }

    fn secs(&self, frame: u32) -> f32 {
        let whole = u16::try_from(frame).expect("a script has at most 12,288 frames");
        let fps = u16::try_from(self.fps).expect("12 or 24");
        f32::from(whole) / f32::from(fps)
    }
}

/// What a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Scene,
    Second,
    Clothes,
    Hair,
    Colour,
    Material,
    Size,
    Setting,
    Things,
    Ground,
    Facing,
    Lane,
    SecondLane,
    Weather,
    Shade,
    Extras,
    Framing,
    Camera,
    Expression,
}

/// The order of sentences in a dense caption.
const ORDER: [Topic; 19] = [
    Topic::Scene,
    Topic::Second,
    Topic::Expression,
    Topic::Clothes,
    Topic::Hair,
    Topic::Colour,
    Topic::Material,
    Topic::Size,
    Topic::Setting,
    Topic::Things,
    Topic::Ground,
    Topic::Facing,
    Topic::Lane,
    Topic::SecondLane,
    Topic::Weather,
    Topic::Shade,
    Topic::Extras,
    Topic::Framing,
    Topic::Camera,
];

/// What a dense caption keeps first when it would be too long.
const PRIORITY: [Topic; 19] = [
    Topic::Scene,
    Topic::Second,
    Topic::Expression,
    Topic::Ground,
    Topic::Camera,
    Topic::Extras,
    Topic::Clothes,
    Topic::Facing,
    Topic::Framing,
    Topic::Things,
    Topic::Shade,
    Topic::Hair,
    Topic::Colour,
    Topic::Material,
    Topic::Size,
    Topic::SecondLane,
    Topic::Setting,
    Topic::Lane,
    Topic::Weather,
];

struct Speaker<'a> {
    mix: Mix,
    script: &'a Script,
    shot: &'a Shot,
    seed: u64,
    name: String,
}

impl Speaker<'_> {
    fn random(&self, topic: &str) -> Random {
        Random::new(self.seed, &format!("caption/{}/{topic}", self.name))
    }

    /// One of the surface forms that the mix has.
    fn one(&self, random: &mut Random, forms: &[&str]) -> String {
        (*one_of(self.mix, random, forms)).to_owned()
    }

    /// One of the surface forms that the mix has.
    fn one_of(&self, random: &mut Random, forms: &[String]) -> String {
        one_of(self.mix, random, forms).clone()
    }

    fn tell(&self, detail: Detail, stated: &mut PartialScript) -> Vec<String> {
        let (least, most) = detail.words(self.mix);
        let wanted: Vec<Topic> = match detail {
            Detail::Short => return vec![self.short(least, most, stated)],
            Detail::Dense => PRIORITY.to_vec(),
            Detail::Medium => self.medium_topics(),
        };
        let mut stop = self.random("stop");
        let mut chosen: Vec<Topic> = Vec::new();
        let mut n_words = 0;
        for topic in wanted {
            let must = matches!(topic, Topic::Scene | Topic::Second);
            if detail == Detail::Medium && n_words >= least && !must && stop.chance(0.35) {
                break;
            }
            let Some(text) = self.say(topic, &mut PartialScript::default()) else { continue };
            let more = word_spans(&text).len();
            if n_words + more <= most {
                n_words += more;
                chosen.push(topic);
            }
        }
        ORDER
            .iter()
            .filter(|topic| chosen.contains(topic))
            .filter_map(|topic| self.say(*topic, stated))
            .collect()
    }

    fn medium_topics(&self) -> Vec<Topic> {
        let mut random = self.random("topics");
        let mut rest =
            vec![Topic::Ground, Topic::Camera, Topic::Facing, Topic::Framing, Topic::Setting];
        if self.shot.extras > 0 {
            rest.push(Topic::Extras);
        }
        if self.mix == Mix::Whole {
            rest.extend([Topic::Expression, Topic::Weather, Topic::Clothes, Topic::Colour]);
        }
        let mut topics = vec![Topic::Scene, Topic::Second];
        // The canonical medium caption goes on with the ground.
        if random.chance(0.4) {
            topics.push(rest.remove(0));
        }
        while !rest.is_empty() {
            topics.push(rest.remove(random.below(rest.len())));
        }
        topics
    }

    fn short(&self, least: usize, most: usize, stated: &mut PartialScript) -> String {
        let mut random = self.random("short");
        for _ in 0..16 {
            let mut slots = PartialScript::default();
            let np = self.noun_phrase(0, &mut random, &mut slots);
            let (with_place, with_light) =
                random.pick(&[(true, false), (true, false), (true, true), (false, true)]);
            let verb = self.verb(0, &mut random, &mut slots);
            let place = with_place.then(|| self.place(true, &mut random, &mut slots));
            let light = with_light.then(|| self.light(&mut random, &mut slots));
            let parts: Vec<&str> =
                [Some(np.as_str()), Some(verb.as_str()), place.as_deref(), light.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect();
            let text = sentence(&parts.join(" "));
            if (least..=most).contains(&word_spans(&text).len()) {
                *stated = slots;
                return text;
            }
        }
        let main = &self.script.cast[self.shot.roles[0].member];
        let np = match &main.outfit {
            Some(outfit) => format!(
                "{} in {}",
                with_article(main.subject.name()),
                dominant_garment(outfit, false)
            ),
            None => with_article(&format!("{} {}", main.colour, main.subject)),
        };
        state_looks(main, member_slots(stated, 0));
        member_slots(stated, 0).action = Some(self.shot.roles[0].action);
        stated.light = Some(self.shot.light);
        let verb = third_person(self.shot.roles[0].action);
        let light = match self.shot.light {
            Light::Day => "by day",
            Light::Night => "at night",
            Light::Sunset => "at sunset",
            Light::Overcast => "on an overcast day",
        };
        sentence(&format!("{np} {verb} {light}"))
    }

    /// The sentence on `topic`, and in `stated` what it states; nothing if there is nothing to say.
    fn say(&self, topic: Topic, stated: &mut PartialScript) -> Option<String> {
        let random = &mut self.random(&format!("{topic:?}"));
        let main = &self.script.cast[self.shot.roles[0].member];
        let the = format!("the {}", main.subject);
        let text = match topic {
            Topic::Scene => self.scene(random, stated),
            Topic::Second => self.second(random, stated)?,
            Topic::Clothes => {
                let outfit = main.outfit.as_ref()?;
                clothes(self.mix, outfit, main.subject, random, member_slots(stated, 0))?
            }
            Topic::Expression => self.expression(random, stated)?,
            Topic::Hair => {
                let hair = main.outfit.as_ref()?.hair;
                member_slots(stated, 0).hair = Some(hair);
                let (she, her) = (pronoun(main.subject), possessive(main.subject));
                self.one(
                    random,
                    &[
                        &format!("{her} hair is {hair}"),
                        &format!("{she} has {hair} hair"),
                        &format!("{the} has {hair} hair"),
                        &format!("the hair of {the} is {hair}"),
                        &format!("{the} is {hair}-haired"),
                        &format!("{the} is seen with {hair} hair"),
                        &format!("{her} hair looks {hair}"),
                        &format!("{the} shows {hair} hair"),
                    ],
                )
            }
            Topic::Colour => {
                let colour = main.colour;
                let forms = match main.subject.kind() {
                    Kind::Person if main.outfit.is_some() => return None,
                    Kind::Person => {
                        let part = if main.subject == Subject::Robot { "body" } else { "suit" };
                        [
                            format!("{the} is {colour}"),
                            format!("{the} has {} {part}", with_article(colour.name())),
                            format!("the {part} of {the} is {colour}"),
                            format!("the colour of {the} is {colour}"),
                            format!("{the} is all {colour}"),
                            format!("{the} is {colour} in colour"),
                        ]
                    }
                    Kind::Animal => {
                        let fur = if main.subject == Subject::Bird { "feathers" } else { "fur" };
                        let is = if main.subject == Subject::Bird { "are" } else { "is" };
                        [
                            format!("{the} has {colour} {fur}"),
                            format!("its {fur} {is} {colour}"),
                            format!("the {fur} of {the} {is} {colour}"),
                            format!("{the} is {colour}"),
                            format!("{the} is {colour} in colour"),
                            format!("the colour of {the} is {colour}"),
                        ]
                    }
                    Kind::Vehicle => [
                        format!("{the} is {colour}"),
                        format!("{the} is painted {colour}"),
                        format!("{the} has {colour} paint"),
                        format!("the body of {the} is {colour}"),
                        format!("the colour of {the} is {colour}"),
                        format!("{the} is {colour} in colour"),
                    ],
                    Kind::Thing => [
                        format!("{the} is {colour}"),
                        format!("its colour is {colour}"),
                        format!("the colour of {the} is {colour}"),
                        format!("{the} has {} colour", with_article(colour.name())),
                        format!("{the} is {colour} in colour"),
                        format!("{the} is all {colour}"),
                    ],
                };
                member_slots(stated, 0).colour = Some(colour);
                self.one_of(random, &forms)
            }
            Topic::Material => {
                if main.subject.kind() != Kind::Thing || main.subject == Subject::Glass {
                    return None;
                }
                member_slots(stated, 0).material = Some(main.material);
                let ends = match main.material {
                    Material::Matte => [
                        "is matte",
                        "has a matte surface",
                        "looks matte",
                        "is plain and matte",
                        "has a plain surface",
                        "is plain",
                    ],
                    Material::Metal => [
                        "is metal",
                        "is made of metal",
                        "has a metal surface",
                        "is shiny metal",
                        "looks metallic",
                        "is of shiny metal",
                    ],
                    Material::Glass => [
                        "is made of glass",
                        "is of glass",
                        "is transparent",
                        "looks transparent",
                        "has a glass surface",
                        "is of transparent glass",
                    ],
                };
                self.one_of(random, &ends.map(|end| format!("{the} {end}")))
            }
            Topic::Size => {
                if main.subject.kind() != Kind::Thing {
                    return None;
                }
                let size = main.size;
                member_slots(stated, 0).size = Some(size);
                self.one_of(
                    random,
                    &[
                        format!("{the} is of {size} size"),
                        format!("its size is {size}"),
                        format!("the size of {the} is {size}"),
                        format!("{the} has {} size", with_article(size.name())),
                        format!("{the} is {} in size", size_word(size)),
                        format!("in size, {the} is {}", size_word(size)),
                    ],
                )
            }
            Topic::Setting => {
                stated.place = Some(self.shot.place);
                self.one(random, words::setting(self.shot.place))
            }
            Topic::Things | Topic::Shade if self.mix == Mix::First => return None,
            Topic::Things => self.one(random, words::things(self.shot.place)),
            Topic::Shade => {
                let is_clear = self.shot.weather == Weather::Clear;
                self.one(random, words::shade(self.shot.light, is_clear))
            }
            Topic::Ground => self.ground(random, stated),
            Topic::Facing => self.facing(random, stated)?,
            Topic::Lane => {
                let lane = self.shot.roles[0].lane;
                member_slots(stated, 0).lane = Some(lane);
                lane_sentence(self.mix, pronoun(main.subject), lane, random)
            }
            Topic::SecondLane => {
                let role = self.shot.roles.get(1)?;
                let subject = self.script.cast[role.member].subject;
                let slots = member_slots(stated, 1);
                slots.lane = Some(role.lane);
                slots.subject = Some(subject);
                lane_sentence(self.mix, &format!("the {subject}"), role.lane, random)
            }
            Topic::Weather => {
                if !self.shot.place.is_open() {
                    return None;
                }
                stated.weather = Some(self.shot.weather);
                self.one(random, words::weather(self.shot.weather))
            }
            Topic::Extras => self.extras(random, stated)?,
            Topic::Framing => {
                let framing = self.shot.framing;
                stated.framing = Some(framing);
                stated.angle = Some(self.shot.angle);
                let angle = match self.shot.angle {
                    Angle::EyeLevel => self.shot.angle.name().to_owned(),
                    Angle::Low | Angle::High => with_article(self.shot.angle.name()),
                };
                self.one_of(
                    random,
                    &[
                        format!("this is a {framing} shot at {angle}"),
                        format!("the shot is {framing}, at {angle}"),
                        format!("a {framing} shot at {angle}"),
                        format!("the framing is {framing}, seen at {angle}"),
                        format!("it is a {framing} shot at {angle}"),
                        format!("the framing is {framing}, at {angle}"),
                    ],
                )
            }
            Topic::Camera => self.camera(random, stated),
        };
        Some(sentence(&text))
    }

    fn scene(&self, random: &mut Random, stated: &mut PartialScript) -> String {
        let form = random.weighted(&[(0, 0.4), (1, 0.15), (2, 0.15), (3, 0.15), (4, 0.15)]);
        let np = self.noun_phrase(0, random, stated);
        let light = self.light(random, stated);
        let place = self.place(form < 3, random, stated);
        match form {
            0 => format!("{np} {} {place} {light}", self.verb(0, random, stated)),
            1 => format!("{light}, {np} {} {place}", self.verb(0, random, stated)),
            2 => format!("{np} is {} {place} {light}", self.participle(0, stated)),
            3 => format!("{place}, {np} {} {light}", self.verb(0, random, stated)),
            _ => format!("{place} {light}, {np} is {}", self.participle(0, stated)),
        }
    }

    fn second(&self, random: &mut Random, stated: &mut PartialScript) -> Option<String> {
        let role = self.shot.roles.get(1)?;
        let main = self.script.cast[self.shot.roles[0].member].subject;
        if self.shot.roles[0].relation == Relation::Holds {
            return Some(self.holding(random, stated));
        }
        let np = self.noun_phrase(1, random, stated);
        let whom = if random.chance(0.5) {
            object_pronoun(main).to_owned()
        } else {
            format!("the {main}")
        };
        let beside = match role.relation {
            Relation::Beside => {
                member_slots(stated, 1).relation = Some(Relation::Beside);
                let forms: &[&str] = match self.mix {
                    Mix::First => &["beside", "next to"],
                    Mix::Whole => &["beside", "next to", "near"],
                };
                format!("{} {whom}", random.pick(forms))
            }
            Relation::Behind => {
                member_slots(stated, 1).relation = Some(Relation::Behind);
                format!("behind {whom}")
            }
            Relation::Follows | Relation::Chases | Relation::Meets => {
                member_slots(stated, 1).relation = Some(role.relation);
                return Some(self.relating(role.relation, &np, &whom, random, stated));
            }
            Relation::Alone | Relation::Holds => String::new(),
        };
        let verb = if random.chance(0.5) {
            self.verb(1, random, stated)
        } else {
            format!("is {}", self.participle(1, stated))
        };
        Some(match (beside.is_empty(), random.chance(0.5)) {
            (true, _) => format!("{np} {verb}"),
            (false, true) => format!("{beside}, {np} {verb}"),
            (false, false) => format!("{np} {verb} {beside}"),
        })
    }

    /// "a white dog follows her"
    fn relating(
        &self,
        relation: Relation,
        np: &str,
        whom: &str,
        random: &mut Random,
        stated: &mut PartialScript,
    ) -> String {
        let collides = self.shot.roles[1].action == Action::Collide;
        if relation == Relation::Meets && collides {
            member_slots(stated, 1).action = Some(Action::Collide);
        }
        let forms: &[&str] = match relation {
            Relation::Follows => &["follows", "is following", "goes after"],
            Relation::Chases => &["chases", "is chasing", "runs after"],
            _ if collides => &["collides with", "is colliding with", "crashes into"],
            _ => &["meets", "is meeting", "encounters"],
        };
        format!("{np} {} {whom}", random.pick(forms))
    }

    /// "she holds a red ball"
    fn holding(&self, random: &mut Random, stated: &mut PartialScript) -> String {
        let main = self.script.cast[self.shot.roles[0].member].subject;
        member_slots(stated, 0).relation = Some(Relation::Holds);
        member_slots(stated, 0).subject = Some(main);
        let np = self.noun_phrase(1, random, stated);
        let verb = random.pick(&["holds", "is holding", "carries", "is carrying"]);
        let who = if random.chance(0.5) { pronoun(main).to_owned() } else { format!("the {main}") };
        format!("{who} {verb} {np}")
    }

    fn expression(&self, random: &mut Random, stated: &mut PartialScript) -> Option<String> {
        let role = &self.shot.roles[0];
        let subject = self.script.cast[role.member].subject;
        if self.mix == Mix::First || subject.kind() != Kind::Person {
            return None;
        }
        let face: Expression = role.expression;
        member_slots(stated, 0).expression = Some(face);
        let (she, her) = (pronoun(subject), possessive(subject));
        Some(self.one_of(
            random,
            &[
                format!("{she} looks {face}"),
                format!("{she} is {face}"),
                format!("{her} face is {face}"),
                format!("the {subject} looks {face}"),
                format!("the face of the {subject} is {face}"),
                format!("{she} has {} face", with_article(face.name())),
                format!("{she} seems {face}"),
                format!("the {subject} seems {face}"),
            ],
        ))
    }

    fn ground(&self, random: &mut Random, stated: &mut PartialScript) -> String {
        stated.ground = Some(self.shot.ground);
        let noun = if self.shot.place == Place::Tabletop { "table" } else { "ground" };
        if noun == "table" {
            stated.place = Some(Place::Tabletop);
        }
        self.one_of(
            random,
            &match self.shot.ground {
                Ground::Wet => [
                    format!("the {noun} is wet"),
                    format!("the {noun} is wet and reflective"),
                    format!("the wet {noun} reflects the scene"),
                    format!("the {noun} is damp and reflective"),
                    format!("the {noun} is damp"),
                    format!("the wet {noun} mirrors the scene"),
                ],
                Ground::Dry => [
                    format!("the {noun} is dry"),
                    format!("the {noun} looks dry"),
                    format!("the {noun} has stayed dry"),
                    format!("the dry {noun} does not shine"),
                    format!("the {noun} is dry all around"),
                    format!("the {noun} is all dry"),
                ],
            },
        )
    }

    fn facing(&self, random: &mut Random, stated: &mut PartialScript) -> Option<String> {
        let role = &self.shot.roles[0];
        let subject = self.script.cast[role.member].subject;
        if subject.kind() == Kind::Thing && !role.action.travels() {
            return None;
        }
        member_slots(stated, 0).facing = Some(role.facing);
        let she = pronoun(subject);
        let to = match role.facing {
            Facing::Left => "to the left",
            Facing::Right => "to the right",
            Facing::Toward => "toward the camera",
            Facing::Away => "away from the camera",
        };
        Some(self.one_of(
            random,
            &if role.action.travels() {
                [
                    format!("{she} moves {to}"),
                    format!("{she} heads {to}"),
                    format!("{she} goes {to}"),
                    format!("{she} is moving {to}"),
                    format!("{she} is heading {to}"),
                    format!("{she} is going {to}"),
                ]
            } else {
                [
                    format!("{she} faces {to}"),
                    format!("{she} looks {to}"),
                    format!("{she} is facing {to}"),
                    format!("{she} is looking {to}"),
                    format!("{she} is seen facing {to}"),
                    format!("{she} is turned {to}"),
                ]
            },
        ))
    }

    fn extras(&self, random: &mut Random, stated: &mut PartialScript) -> Option<String> {
        if !self.shot.place.is_open() {
            return None;
        }
        stated.extras = Some(self.shot.extras);
        let n = ["no", "one", "two", "three", "four", "five", "six"]
            [usize::try_from(self.shot.extras).ok()?];
        if self.shot.crowd == Crowd::Animals && self.shot.extras > 0 {
            stated.crowd = Some(Crowd::Animals);
            let one = self.shot.extras == 1;
            let (animals, walk, pass, are) = if one {
                ("animal", "walks", "passes", "is")
            } else {
                ("animals", "walk", "pass", "are")
            };
            return Some(self.one_of(
                random,
                &[
                    format!("{n} {animals} {walk} in the background"),
                    format!("{n} {animals} {pass} in the background"),
                    format!("in the background, {n} {animals} {walk} by"),
                    format!("in the background, {n} {animals} {pass} by"),
                    format!("there {are} {n} {animals} in the background"),
                    format!("{n} {animals} {walk} by"),
                ],
            ));
        }
        Some(match self.shot.extras {
            0 => self.one(
                random,
                &[
                    "no other people are around",
                    "there are no other people",
                    "there are no people in the background",
                    "no pedestrians pass by",
                    "there are no pedestrians",
                    "no people are in the background",
                ],
            ),
            1 => self.one(
                random,
                &[
                    "one pedestrian walks in the background",
                    "in the background, one pedestrian walks by",
                    "one pedestrian passes in the background",
                    "in the background, one pedestrian passes by",
                    "there is one pedestrian in the background",
                    "one pedestrian walks by",
                ],
            ),
            _ => self.one_of(
                random,
                &[
                    format!("{n} people walk in the background"),
                    format!("{n} pedestrians pass in the background"),
                    format!("in the background, {n} people walk by"),
                    format!("in the background, {n} pedestrians pass by"),
                    format!("there are {n} people in the background"),
                    format!("{n} pedestrians walk by"),
                ],
            ),
        })
    }

    fn camera(&self, random: &mut Random, stated: &mut PartialScript) -> String {
        stated.camera = Some(self.shot.camera);
        let main = self.script.cast[self.shot.roles[0].member].subject;
        match self.shot.camera {
            CameraMove::Static => self.one(
                random,
                &[
                    "the camera is static",
                    "the camera does not move",
                    "the camera stays still",
                    "the shot is static",
                    "the camera is still",
                    "the camera remains static",
                ],
            ),
            CameraMove::PanLeft => self.one(
                random,
                &[
                    "the camera pans left",
                    "the camera pans to the left",
                    "the camera slowly pans left",
                    "the view pans to the left",
                    "the camera is panning left",
                    "the camera is panning to the left",
                ],
            ),
            CameraMove::PanRight => self.one(
                random,
                &[
                    "the camera pans right",
                    "the camera pans to the right",
                    "the camera slowly pans right",
                    "the view pans to the right",
                    "the camera is panning right",
                    "the camera is panning to the right",
                ],
            ),
            CameraMove::DollyIn => self.one(
                random,
                &[
                    "the camera dollies in",
                    "the camera moves in",
                    "the camera moves closer",
                    "the camera pushes in",
                    "the camera is dollying in",
                    "the camera zooms in",
                ],
            ),
            CameraMove::DollyOut => self.one(
                random,
                &[
                    "the camera dollies out",
                    "the camera moves out",
                    "the camera moves back",
                    "the camera pulls back",
                    "the camera is pulling back",
                    "the camera zooms out",
                ],
            ),
            CameraMove::Orbit => {
                let her = object_pronoun(main);
                self.one_of(
                    random,
                    &[
                        format!("the camera orbits {her}"),
                        format!("the camera orbits the {main}"),
                        format!("the camera orbits around the {main}"),
                        format!("the camera circles the {main}"),
                        format!("the camera circles around {her}"),
                        format!("the camera is orbiting {her}"),
                        format!("the view orbits the {main}"),
                        format!("the view circles the {main}"),
                    ],
                )
            }
            CameraMove::CraneUp => self.one(
                random,
                &[
                    "the camera cranes up",
                    "the camera rises up",
                    "the camera moves up",
                    "the camera is craning up",
                    "the camera slowly rises up",
                    "the view rises up",
                ],
            ),
            CameraMove::Handheld => self.one(
                random,
                &[
                    "the camera is handheld",
                    "the shot is handheld",
                    "this is a handheld shot",
                    "the view is handheld",
                    "the camera is shaky",
                    "it is a handheld shot",
                ],
            ),
            CameraMove::Follow => {
                let her = object_pronoun(main);
                self.one_of(
                    random,
                    &[
                        format!("the camera follows {her}"),
                        format!("the camera follows the {main}"),
                        format!("the camera tracks the {main}"),
                        format!("the camera is following {her}"),
                        format!("the camera tracks {her}"),
                        format!("the camera is tracking the {main}"),
                        format!("the view follows the {main}"),
                        format!("the view tracks the {main}"),
                    ],
                )
            }
        }
    }

    /// "a woman in a long red dress"
    fn noun_phrase(&self, role: usize, random: &mut Random, stated: &mut PartialScript) -> String {
        let member = &self.script.cast[self.shot.roles[role].member];
        let slots = member_slots(stated, role);
        let (noun, colour) = (member.subject, member.colour);
        state_looks(member, slots);
        if let Some(outfit) = &member.outfit {
            let garment = dominant_garment(outfit, random.chance(0.7));
            let joint = random.weighted(&[
                ("in", 0.5),
                ("wearing", 0.2),
                ("dressed in", 0.15),
                ("who wears", 0.15),
            ]);
            return format!("{} {joint} {garment}", with_article(noun.name()));
        }
        let after = |end: &str| format!("{} {end}", with_article(noun.name()));
        let form = random.weighted(&[(0, 0.6), (1, 0.15), (2, 0.15), (3, 0.1)]);
        let suit = match noun {
            Subject::Robot => "body",
            _ => "suit",
        };
        match (form, noun.kind()) {
            (1, Kind::Person) => after(&format!("with {} {suit}", with_article(colour.name()))),
            (2, Kind::Person) => after(&format!("that is {colour}")),
            (3, Kind::Person) => after(&format!("of {colour} colour")),
            (1, Kind::Animal) if noun == Subject::Bird => after(&format!("with {colour} feathers")),
            (3, Kind::Animal) if noun == Subject::Bird => {
                with_article(&format!("feathered {colour} {noun}"))
            }
            (1, Kind::Animal) => after(&format!("with {colour} fur")),
            (1, Kind::Vehicle) => after(&format!("painted {colour}")),
            (2, Kind::Animal | Kind::Vehicle) => after(&format!("that is {colour}")),
            (3, Kind::Animal) => with_article(&format!("furry {colour} {noun}")),
            (3, Kind::Vehicle) => after(&format!("in {colour}")),
            (form, Kind::Thing) => {
                let size = if member.size != Size::Medium && random.chance(0.8) {
                    slots.size = Some(member.size);
                    format!("{} ", member.size)
                } else {
                    String::new()
                };
                let of_glass = noun == Subject::Glass;
                let material =
                    if member.material != Material::Matte && !of_glass && random.chance(0.8) {
                        slots.material = Some(member.material);
                        format!("{} ", member.material)
                    } else {
                        String::new()
                    };
                match form {
                    1 => format!(
                        "{} that is {colour}",
                        with_article(&format!("{size}{material}{noun}"))
                    ),
                    2 => {
                        format!("{} in {colour}", with_article(&format!("{size}{material}{noun}")))
                    }
                    _ => with_article(&format!("{size}{colour} {material}{noun}")),
                }
            }
            _ => with_article(&format!("{colour} {noun}")),
        }
    }

    fn verb(&self, role: usize, random: &mut Random, stated: &mut PartialScript) -> String {
        let action = self.shot.roles[role].action;
        member_slots(stated, role).action = Some(action);
        match action {
            Action::Wave if random.chance(0.3) => "waves a hand".to_owned(),
            _ => third_person(action),
        }
    }

    fn participle(&self, role: usize, stated: &mut PartialScript) -> String {
        let action = self.shot.roles[role].action;
        member_slots(stated, role).action = Some(action);
        participle(action.name())
    }

    /// "down a neon street" behind a verb, "in a neon street" in front of a sentence.
    fn place(&self, behind_verb: bool, random: &mut Random, stated: &mut PartialScript) -> String {
        stated.place = Some(self.shot.place);
        let moving = behind_verb && self.shot.roles[0].action.travels();
        self.one(random, words::place(self.shot.place, moving))
    }

    fn light(&self, random: &mut Random, stated: &mut PartialScript) -> String {
        stated.light = Some(self.shot.light);
        self.one(random, words::light(self.shot.light))
    }
}

fn clothes(
    mix: Mix,
    outfit: &Outfit,
    subject: Subject,
    random: &mut Random,
    slots: &mut PartialMember,
) -> Option<String> {
    let dominant_is_top =
        outfit.top.is_some_and(|(top, _)| top == Top::Coat) || outfit.bottom.0 != Bottom::Dress;
    let mut list = Vec::new();
    match outfit.top {
        Some((top, colour)) if !dominant_is_top => {
            slots.top = Some((top, Some(colour)));
            list.push(with_article(&format!("{colour} {top}")));
        }
        Some(_) | None => {}
    }
    if dominant_is_top {
        let (bottom, colour) = outfit.bottom;
        slots.bottom = Some((bottom, Some(colour)));
        list.push(match bottom {
            Bottom::Trousers => format!("{colour} {bottom}"),
            Bottom::Dress => with_article(&format!("{colour} {bottom}")),
        });
    }
    let (footwear, colour) = outfit.footwear;
    slots.footwear = Some((footwear, Some(colour)));
    list.push(format!("{colour} {footwear}"));
    for &(item, colour) in &outfit.items {
        slots.items.push((item, Some(colour)));
        let phrase = format!("{colour} {item}");
        list.push(if item.name().ends_with('s') { phrase } else { with_article(&phrase) });
    }
    let (last, rest) = list.split_last()?;
    let listed =
        if rest.is_empty() { last.clone() } else { format!("{} and {last}", rest.join(", ")) };
    let (she, her) = (pronoun(subject), possessive(subject));
    let forms = [
        format!("{she} wears {listed}"),
        format!("{she} is wearing {listed}"),
        format!("{she} also wears {listed}"),
        format!("{her} outfit has {listed}"),
        format!("{she} has {listed} on"),
        format!("{her} clothes are {listed}"),
    ];
    Some(one_of(mix, random, &forms).clone())
}

fn lane_sentence(mix: Mix, who: &str, lane: Lane, random: &mut Random) -> String {
    let at = match lane {
        Lane::Left => "on the left",
        Lane::Centre => "in the middle",
        Lane::Right => "on the right",
    };
    let forms = [
        format!("{who} is {at} of the frame"),
        format!("{who} is {at}"),
        format!("{who} is seen {at}"),
        format!("{who} is {at} of the picture"),
        format!("{who} is {at} of the image"),
        format!("{who} appears {at}"),
    ];
    one_of(mix, random, &forms).clone()
}

/// "medium in size" would be a framing.
const fn size_word(size: Size) -> &'static str {
    match size {
        Size::Small => "small",
        Size::Medium => "medium-sized",
        Size::Large => "large",
    }
}

/// States what every noun phrase says: the subject and its main colour.
fn state_looks(member: &Member, slots: &mut PartialMember) {
    slots.subject = Some(member.subject);
    match &member.outfit {
        None => slots.colour = Some(member.colour),
        Some(Outfit { top: Some((Top::Coat, colour)), .. }) => {
            slots.top = Some((Top::Coat, Some(*colour)))
        }
        Some(Outfit { bottom: (Bottom::Dress, colour), .. }) => {
            slots.bottom = Some((Bottom::Dress, Some(*colour)))
        }
        Some(Outfit { top, .. }) => slots.top = top.map(|(top, colour)| (top, Some(colour))),
    }
}

/// "a long red dress"
fn dominant_garment(outfit: &Outfit, long: bool) -> String {
    match (outfit.top, outfit.bottom) {
        (Some((Top::Coat, colour)), _) => with_article(&format!("{colour} {}", Top::Coat)),
        (_, (Bottom::Dress, colour)) if long => {
            with_article(&format!("long {colour} {}", Bottom::Dress))
        }
        (_, (Bottom::Dress, colour)) => with_article(&format!("{colour} {}", Bottom::Dress)),
        (Some((top, colour)), _) => with_article(&format!("{colour} {top}")),
        (None, (bottom, colour)) => format!("{colour} {bottom}"),
    }
}

fn member_slots(stated: &mut PartialScript, role: usize) -> &mut PartialMember {
    while stated.cast.len() <= role {
        stated.cast.push(PartialMember::default());
    }
    &mut stated.cast[role]
}

fn third_person(action: Action) -> String {
    match action {
        Action::Fly => "flies".to_owned(),
        _ => format!("{}s", action.name()),
    }
}

/// The -ing form of a verb of the vocabulary.
pub(crate) fn participle(verb: &str) -> String {
    const DOUBLED: [&str; 13] = [
        "run", "sit", "jog", "hop", "skip", "slip", "drop", "spin", "stop", "trot", "pan", "flap",
        "tip",
    ];
    match verb.strip_suffix('e') {
        _ if DOUBLED.contains(&verb) => format!("{verb}{}ing", &verb[verb.len() - 1..]),
        Some(stem) => format!("{stem}ing"),
        None => format!("{verb}ing"),
    }
}

const fn pronoun(subject: Subject) -> &'static str {
    match subject {
        Subject::Woman => "she",
        Subject::Man => "he",
        Subject::Child => "the child",
        Subject::Astronaut => "the astronaut",
        Subject::Robot => "the robot",
        _ => "it",
    }
}

const fn object_pronoun(subject: Subject) -> &'static str {
    match subject {
        Subject::Woman => "her",
        Subject::Man => "him",
        Subject::Child => "the child",
        Subject::Astronaut => "the astronaut",
        Subject::Robot => "the robot",
        _ => "it",
    }
}

const fn possessive(subject: Subject) -> &'static str {
    match subject {
        Subject::Woman => "her",
        Subject::Man => "his",
        Subject::Child => "the child's",
        Subject::Astronaut => "the astronaut's",
        Subject::Robot => "the robot's",
        _ => "its",
    }
}

fn with_article(phrase: &str) -> String {
    let article = if phrase.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {phrase}")
}

/// Capital first letter, full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

/// One of the surface forms that a mix has.
fn one_of<'a, T>(mix: Mix, random: &mut Random, forms: &'a [T]) -> &'a T {
    let n = match mix {
        Mix::First => forms.len().min(FIRST_FORMS),
        Mix::Whole => forms.len(),
    };
    &forms[random.below(n)]
}

#[cfg(test)]
mod tests;
